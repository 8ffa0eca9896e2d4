"""The action plugin alone; tests/integration/test_playbooks_purge.py runs it under Ansible."""

from __future__ import annotations

import pytest

from ansible_collections.mailops.rescue.plugins.action import show_purge
from ansible_collections.mailops.rescue.plugins.plugin_utils.show import invocation
from tests.unit.plugins.action.showing import accepts_what_is_documented, shower
from tests.unit.plugins.plugin_utils.changed import BATCH, batch, change, listing
from tests.unit.plugins.plugin_utils.results import result

PLAN, QUIET = change(7, batch=None), change(0)
BROKEN = {"failed": True, "msg": "no such queue"}


@pytest.fixture
def run(monkeypatch):
    monkeypatch.setattr(invocation, "_command_line", lambda: ())
    monkeypatch.setattr(invocation, "load_extra_vars", lambda loader: {"quarantine": "/q", "confirm": False})
    return shower(monkeypatch, show_purge)


def test_a_plan_names_where_something_would_change(run):
    hosts = {
        "a": {"mailops_plan": PLAN, "mailops_queue": result(7)},
        "b": {"mailops_plan": QUIET},
        "c": {"mailops_plan": BROKEN},
        "d": {"mailops_queue": BROKEN},
    }
    made, text = run(hosts, view="plan")
    assert not made.get("failed") and made["changed"] is False
    assert (made["hosts"], made["messages"], made["bytes"]) == (["a"], 7, 7000)
    assert made["hosts_failed"] == {"c": "no such queue", "d": "no such queue"}
    assert made["question"].startswith("Take 7 messages out of the queues of 1 host")
    assert "This was a check" not in text
    assert "This was a check" in run(hosts, view="plan", check_mode=True)[1]


def test_a_wave_shows_its_own_hosts(run):
    hosts = {name: {"mailops_plan": PLAN, "mailops_done": change(7)} for name in "abc"}
    assert run(hosts, wave=["b", "c"], view="plan")[0]["messages"] == 14
    assert run(hosts, wave=["b"], view="done")[0]["hosts"] == ["b"]


def test_what_was_done_is_asked_only_where_something_was_to_be_done(run):
    hosts = {"a": {"mailops_plan": PLAN, "mailops_done": change(7)}, "b": {"mailops_plan": QUIET}}
    made, text = run(hosts, view="done")
    assert made["hosts"] == ["a"] and made["hosts_failed"] == {}
    assert '  ansible-playbook mailops.rescue.restore -l a -e \'{"quarantine": "/q", "batch": "%s"}\'' % BATCH in text


@pytest.mark.parametrize(
    ("host", "failed"),
    [
        ({"mailops_plan": PLAN, "mailops_done": change(7)}, None),
        ({"mailops_plan": QUIET}, None),
        ({"mailops_plan": PLAN}, "no result: the host took no part in this run"),
        ({"mailops_plan": PLAN, "mailops_done": BROKEN}, "no such queue"),
        (
            {"mailops_plan": PLAN, "mailops_done": {"unreachable": True, "msg": "gone"}},
            "no answer came; a purge that had begun goes on there: messages may be in quarantine; run again, which "
            "puts that in order (unreachable: gone)",
        ),
        ({"mailops_plan": BROKEN}, "no such queue"),
        ({}, "no result: the host took no part in this run"),
    ],
)
def test_the_verdict(run, host, failed):
    made, text = run({"a": host}, view="verdict")
    assert made["hosts_failed"] == ({"a": failed} if failed else {})
    assert made.get("failed", False) is bool(failed)
    assert text == ""


def test_in_check_mode_the_verdict_is_on_the_plan(run):
    assert not run({"a": {"mailops_plan": PLAN}}, view="verdict", check_mode=True)[0].get("failed")
    assert run({"a": {"mailops_plan": BROKEN}}, view="verdict", check_mode=True)[0]["failed"] is True


@pytest.mark.parametrize(
    ("members", "failed"),
    [
        ({}, False),
        ({"corrupt_count": 1}, True),
        ({"unreadable_count": 1}, True),
    ],
)
def test_a_quarantine_that_is_not_as_it_was_fails(run, members, failed):
    made, text = run({"a": {"mailops_queue": listing(batch(), **members)}}, view="quarantine")
    assert made.get("failed", False) is failed
    assert "QUARANTINE  1,996 messages in 1 batch" in text


def test_a_restore_has_its_own_words_and_numbers(run):
    made, text = run({"a": {"mailops_plan": change(3, kind="restore")}}, view="plan", kind="restore")
    assert made["messages"] == 3 and made["question"].startswith("Put 3 messages back")
    assert "WOULD RESTORE  3 messages" in text


def test_documented_options_are_those_accepted():
    accepts_what_is_documented(show_purge)
