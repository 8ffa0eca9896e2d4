"""What the controls of this collection make of a host's facts; the cases are data, a file for each control."""

import datetime
import time

import pytest

from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance import judge, waivers
from tests.unit.plugins.plugin_utils.compliance.judging import CASES, WELL, host_facts

EACH = [
    pytest.param(control, case, id="%s: %s" % (control, case["case"])) for control in CASES for case in CASES[control]
]


@pytest.mark.parametrize(("control", "case"), EACH)
def test_the_verdict(control, case):
    record = judge.record(judge.CONTROLS[control], host_facts(case))
    assert {name: record[name] for name in case["verdict"]} == case["verdict"], record["reason"]


@pytest.mark.parametrize("control", judge.CONTROLS)
def test_each_control_has_its_cases(control):
    statuses = {case["verdict"]["status"] for case in CASES[control]}
    assert {"pass", "fail", "error"} <= statuses
    names = [case["case"] for case in CASES[control]]
    assert len(names) == len(set(names))
    assert any(case["verdict"].get("remedy") for case in CASES[control] if case["verdict"]["status"] == "fail")


def test_each_case_is_of_a_control():
    assert set(CASES) == set(judge.CONTROLS) and len(judge.CONTROLS) == 25


@pytest.mark.parametrize("mta", WELL)
def test_all_is_well(mta):
    records = judge.judge(host_facts({"mta": mta}), "auto")
    assert {record["status"] for record in records} == {"pass", "not_applicable"}
    assert [record["id"] for record in records] == [control.id for control in judge.controls_for(mta)]


def test_where_no_mta_is_known_both_are_asked_for():
    nothing = {"without": ["facts.mta"], "facts": {"postfix": None, "qmail": None, "msg": "There is no MTA."}}
    ids = {record["id"] for record in judge.judge(host_facts(nothing), "auto")}
    assert ids == set(judge.CONTROLS)
    ids = {record["id"] for record in judge.judge(host_facts(nothing), "qmail")}
    assert "QMAIL-010" in ids and "POSTFIX-010" not in ids


@pytest.mark.parametrize("control", judge.CONTROLS)
def test_wrong_answers_of_a_host_stop_no_control(control):
    for spoilt in ("x", 1, ["x"], {"x": "y"}):
        host = host_facts({"mta": "qmail" if control.startswith("QMAIL") else "postfix"})
        for name in ("facts", "queue", "repair", "before"):
            setattr(host, name, spoilt)
        record = judge.record(judge.CONTROLS[control], host)
        assert record["status"] in ("error", "not_applicable"), record


def test_a_waiver_counts_for_what_fails_only():
    read = waivers.read([{"control": "POSTFIX-*", "reason": "a test", "owner": "ann", "expires": "2026-12-31"}])
    host = host_facts({"facts": {"postfix": {"running": False}}})
    found = {one["id"]: one for one in judge.judge(host, "auto", read, datetime.date(2026, 12, 31))}
    assert (found["POSTFIX-100"]["status"], found["POSTFIX-110"]["status"]) == ("waived", "pass")
    assert found["POSTFIX-100"]["waiver"]["owner"] == "ann"
    found = {one["id"]: one for one in judge.judge(host, "auto", read, datetime.date(2027, 1, 1))}
    assert found["POSTFIX-100"]["status"] == "fail" and "expired on 2026-12-31" in found["POSTFIX-100"]["reason"]


def test_text_of_a_host_is_harmless():
    record = judge.record(
        judge.CONTROLS["POSTFIX-110"], host_facts({"facts": {"postfix": {"version": "3.9\x1b[2J" + "x" * 9000}}})
    )
    assert "\x1b" not in record["observed"] and len(record["observed"]) <= 1000


def test_commands_name_the_inventory():
    from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.remedies import Remedies

    remedies = Remedies("mx 1", ("inv a", "b"), "/etc/postfix-out", {"quarantine": "/q"})
    assert remedies.playbook("repair") == "ansible-playbook -i 'inv a' -i b -l 'mx 1' mailops.rescue.repair"
    assert remedies.postfix_config(parameters={}).endswith(
        '-a \'{"parameters": {}, "config_directory": "/etc/postfix-out"}\''
    )
    assert remedies.release_held().endswith("-a 'postsuper -c /etc/postfix-out -H ALL'")
    assert remedies.prune("3d").endswith('-a \'{"older_than": "3d", "quarantine": "/q"}\'')


def test_a_fleet_is_judged_at_once():
    hosts = [host_facts({"mta": mta}) for mta in WELL for _ in range(50)]
    began = time.process_time()
    assert sum(len(judge.judge(host, "auto")) for host in hosts) == 50 * (20 + 16)
    # It was over a minute as long as conditions were templates.
    assert time.process_time() - began < 2
