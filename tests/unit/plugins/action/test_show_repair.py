from __future__ import annotations

from ansible_collections.mailops.rescue.plugins.action import show_repair
from tests.unit.plugins.action.showing import accepts_what_is_documented, shower
from tests.unit.plugins.plugin_utils.show.test_repairs import KILLED, NOTHING, PLAN


def test_the_verdict(monkeypatch):
    run = shower(monkeypatch, show_repair)
    hosts = {"a": {"mailops_faults": PLAN, "mailops_repair": PLAN}, "b": {"mailops_faults": NOTHING}}
    assert run(hosts)[0] == {"changed": False, "hosts_failed": {}}
    hosts["c"] = {"mailops_faults": PLAN, "mailops_repair": KILLED}
    made, text = run(hosts)
    assert made["failed"] and list(made["hosts_failed"]) == ["c"]
    assert made["msg"] == "1 of 3 hosts failed; see FAILED above"
    assert "c: ended without an answer: qmail-send may be stopped" in text
    assert run(hosts, check_mode=True)[0]["hosts_failed"] == {}


def test_it_takes_what_is_documented():
    accepts_what_is_documented(show_repair)
