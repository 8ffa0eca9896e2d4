"""The action plugin alone; tests/integration/test_playbooks.py runs it under Ansible."""

from __future__ import annotations

import pytest

from ansible_collections.mailops.rescue.plugins.action import show_queues
from ansible_collections.mailops.rescue.plugins.plugin_utils.show import invocation
from tests.unit.plugins.action.showing import accepts_what_is_documented, shower
from tests.unit.plugins.plugin_utils.results import result


@pytest.fixture
def run(monkeypatch):
    monkeypatch.setattr(invocation, "_command_line", lambda: ())
    monkeypatch.setattr(invocation, "load_extra_vars", lambda loader: {"mailops_mta": "qmail", "secret": "hush"})
    show = shower(monkeypatch, show_queues)

    def run(results, **options):
        hosts = {host: {} if value is None else {"mailops_queue": value} for host, value in results.items()}
        return show(hosts, **options)

    return run


def test_reads_all_hosts_of_the_play(run):
    made, text = run({"mx1": result(100, bounces=100), "mx2": result(5)})
    assert not made.get("failed")
    assert made["changed"] is False
    assert made["hosts_read"] == ["mx1", "mx2"]
    assert made["hosts_failed"] == {}
    assert [(one["host"], one["kind"], one["select"]) for one in made["findings"]] == [
        ("mx1", "bounce", {"bounce": True})
    ]
    assert "2 of 2 hosts read" in text


def test_shows_everything_and_then_fails_when_a_host_could_not_be_read(run):
    made, text = run({"mx1": result(5), "mx2": {"failed": True, "msg": "no such directory"}, "mx3": None})
    assert made["failed"]
    assert made["msg"] == "2 of 3 hosts could not be read; see NOT READ above"
    assert made["hosts_failed"]["mx2"] == "no such directory"
    assert "mx3: no result" in text


def test_need_not_fail(run):
    made, _text = run({"mx1": {"unreachable": True, "msg": "gone"}}, fail_on_unreadable=False)
    assert not made.get("failed")
    assert made["hosts_failed"] == {"mx1": "unreachable: gone"}
    assert made["findings"] == []


def test_only_the_hosts_that_are_asked_for(run):
    made, _text = run({"mx1": result(5), "mx2": None}, hosts=["mx1"])
    assert made["hosts_read"] == ["mx1"]


def test_a_host_that_is_none(run):
    with pytest.raises(Exception, match="no host mx7"):
        run({"mx1": result(5)}, hosts=["mx7"])


def test_repeats_our_variables_and_no_others(run):
    _made, text = run({"mx1": result(100, bounces=100)})
    assert '"mailops_mta": "qmail"' in text
    assert "hush" not in text
    assert "ansible-playbook mailops.rescue.view -l mx1" in text


def test_messages(run):
    _made, text = run({"mx1": result(5)}, view="messages")
    assert text.startswith("mx1  0 of 5 selected messages shown")


def test_playbooks_are_named_as_they_are_reached(monkeypatch):
    playbooks = invocation.COLLECTION_PLAYBOOKS.resolve()
    monkeypatch.chdir(playbooks.parent)
    assert invocation._playbooks(str(playbooks)) == "playbooks/%s.yml"
    assert invocation._playbooks("/x/ansible_collections/mailops/rescue/playbooks") == "mailops.rescue.%s"
    assert invocation._playbooks("/home/me/own") == "mailops.rescue.%s"
    assert invocation._playbooks(None) == "mailops.rescue.%s"


def test_options_are_those_that_are_documented():
    accepts_what_is_documented(show_queues)
