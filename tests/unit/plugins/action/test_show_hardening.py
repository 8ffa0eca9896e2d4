"""The action plugin alone; tests/integration/test_harden_playbook.py runs it under Ansible."""

from __future__ import annotations

import pytest

from ansible_collections.mailops.rescue.plugins.action import show_hardening
from tests.unit.plugins.action.showing import accepts_what_is_documented, shower
from tests.unit.plugins.plugin_utils.compliance.test_hardening_checks import postfix, probe

GONE = {"unreachable": True, "msg": "Failed to connect to the host via ssh: no route"}


@pytest.fixture
def run(monkeypatch):
    return shower(monkeypatch, show_hardening)


def test_a_wave_shows_its_own_hosts(run):
    asked = {"mailops_probes": {"results": [probe(unknown="accepted")]}}
    hosts = {
        "a": {**asked, "mailops_postfix": {"postfix": postfix()}},
        "b": {**asked, "mailops_postfix": {"postfix": postfix(target=None, resolves=False)}},
        "c": {"mailops_facts": GONE},
        "d": asked,
    }
    made, text = run(hosts, wave=["a", "b", "c"], view="holding")
    assert made == {"changed": False, "hosts": ["a", "b"]}
    assert "discarded (read: luser_relay" in text and "an alias to nothing" in text
    assert "leftovers   none (read)" in text


def test_a_firewall_that_failed_is_not_said_to_hold(run):
    idle = {"add": [], "remove": []}
    plan = {
        "backend": "nftables",
        "in_force": False,
        "allowed_networks": ["192.0.2.0/24"],
        "ports": [587],
        "firewalld": idle,
        "ufw": idle,
        "nftables": {"table": "table", "load": True, "found": False},
    }
    host = {"mailops_probes": {"results": [probe()]}, "__submission_firewall_plan": plan}
    assert "NOT ALL OF THAT IS IN FORCE" in run({"a": host}, view="holding")[1]
    host["__submission_firewall_now"] = {"skipped": True}
    assert "NOT ALL OF THAT IS IN FORCE" in run({"a": host}, view="holding")[1]
    host["__submission_firewall_now"] = dict(plan, in_force=True)
    assert "1 network allowed on 587" in run({"a": host}, view="holding")[1]
    host["__submission_firewall_now"] = {"skipped": True}
    failed = dict(host, mailops_failure={"task": "Load the table", "reason": "no"})
    assert "1 network would be allowed on 587" in " ".join(run({"a": failed}, view="holding")[1].split())


def test_results_that_failed_or_were_skipped_say_nothing(run):
    hosts = {
        "a": {"mailops_probes": {"failed": True, "msg": "x"}},
        "b": {"mailops_probes": {"results": "x"}},
        "c": {"mailops_probes": {"results": [{"failed": True}, {"skipped": True}, 7]}},
        "d": {},
    }
    assert run(hosts, view="holding") == ({"changed": False, "hosts": []}, "")


def test_a_failure_is_kept_as_it_is(run):
    more = {"ansible_failed_task": {"name": "Change main.cf"}, "ansible_failed_result": {"msg": "{{ 6 * 7 }}\nno"}}
    assert run({}, view="failure", more=more)[0] == {
        "changed": False,
        "task": "Change main.cf",
        "reason": "{{ 6 * 7 }} no",
    }
    assert run({}, view="failure")[0]["reason"] == "failed without a message"
    looped = {"msg": "One or more items failed", "results": [{"changed": False}, {"failed": True, "msg": "port: no"}]}
    assert run({}, view="failure", more={"ansible_failed_result": looped})[0]["reason"] == "port: no"


def test_the_verdict_names_who_failed_and_why(run):
    hosts = {
        "good": {"mailops_finished": True},
        "bad": {"mailops_finished": True, "mailops_failure": {"task": "Change main.cf", "reason": "no \x1b space"}},
        "mute": {"mailops_unasked": {"task": "Ask the server", "reason": "port: expected"}},
        "gone": {"mailops_facts": GONE},
        "lost": {"mailops_facts": {"ansible_facts": {}}},
        "blind": {"mailops_finished": True, "mailops_postfix": {"postfix": {"error": "main.cf cannot be read."}}},
    }
    made, text = run(hosts, view="verdict")
    assert made["failed"] is True
    assert made["msg"] == "5 of 6 hosts failed; see FAILED above"
    assert made["hosts_failed"] == {
        "bad": "Change main.cf: no \x1b space",
        "mute": "Ask the server: port: expected",
        "gone": "unreachable: no route",
        "lost": "it did not get to the end; it became unreachable, perhaps",
        "blind": "Read how Postfix is set up: main.cf cannot be read.",
    }
    assert "  bad: Change main.cf: no \\x1b space\n" in text
    assert run({"good": hosts["good"]}, view="verdict")[0] == {"changed": False, "hosts_failed": {}}


def test_options_are_those_that_are_documented():
    accepts_what_is_documented(show_hardening)
