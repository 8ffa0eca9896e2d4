"""The action plugin alone; tests/integration/test_comply_playbook.py runs it under Ansible."""

from __future__ import annotations

import json
import unicodedata
from types import SimpleNamespace

import pytest

from ansible_collections.mailops.rescue.plugins.action import show_compliance
from ansible_collections.mailops.rescue.plugins.plugin_utils.report import settings
from tests.support.reporting import HOSTILE, before, control
from tests.unit.plugins.action.showing import accepts_what_is_documented, shower

GONE = {"unreachable": True, "msg": "Failed to connect to the host via ssh: no route"}
CALLBACK = SimpleNamespace(_load_name="report")
COUNT, UNKNOWN, AUTH, VERSION = range(4)


@pytest.fixture
def run(monkeypatch):
    return shower(monkeypatch, show_compliance)


def checked(*records):
    """A host with records of its controls: number of the control, status, what else there is."""
    made = [control(number, status, "mx", **(more[0] if more else {})) for number, status, *more in records]
    return {"__compliance_facts": {"ansible_facts": {}}, "compliance_result": {"mailops_controls": made}}


def test_all_is_well(run):
    made, text = run(
        {"a": checked((COUNT, "pass"), (AUTH, "waived")), "b": checked((COUNT, "not_applicable"))}, view="verdict"
    )
    assert made == {
        "changed": False,
        "hosts_failed": [],
        "hosts_not_checked": {},
        "counts": {"pass": 1, "waived": 1, "not_applicable": 1},
    }
    assert text == "2 hosts: 1 not applicable, 1 pass, 1 waived."


def test_what_failed_is_named_with_its_remedy_and_what_is_unknown_with_its_reason(run):
    hosts = {
        "b": checked(
            (VERSION, "fail"),
            (UNKNOWN, "fail", {"observed": "accepted"}),
            (COUNT, "error", {"reason": "The queue\ncould not be read."}),
        ),
        "a": checked((COUNT, "fail", {"observed": "", "reason": "The waiver expired."}), (AUTH, "pass")),
    }
    made, text = run(hosts, view="verdict", width=200)
    assert made["failed"] is True and made["msg"] == "2 of 2 hosts not as required; see above"
    assert (made["hosts_failed"], made["counts"]) == (["a", "b"], {"fail": 3, "error": 1, "pass": 1})
    assert text.splitlines() == [
        "FAILED",
        "a",
        "  queue-count (high) The queue holds fewer than 300 messages: The waiver expired.",
        "    ansible-playbook mailops.rescue.inspect -l mx",
        "b",
        "  unknown-recipients (critical) Mail to unknown recipients is refused or discarded: accepted",
        "  mta-version (low) The MTA gets security fixes",
        "    - for unknown-recipients:",
        "    ansible-playbook mailops.rescue.harden -l mx",
        "",
        "UNKNOWN",
        "b",
        "  queue-count (high) The queue holds fewer than 300 messages: The queue could not be read.",
        "",
        "2 hosts: 1 unknown, 3 fail, 1 pass.",
    ]


def test_one_command_for_several_stands_once(run):
    same = {"remedy": "ansible-playbook mailops.rescue.harden -l mx"}
    _made, text = run({"a": checked((COUNT, "fail", same), (AUTH, "fail", same))}, view="verdict", width=200)
    assert text.count("mailops.rescue.harden") == 1
    first, second = sorted([control(COUNT, "fail", "mx")["id"], control(AUTH, "fail", "mx")["id"]])
    assert "    - for %s, %s:\n    ansible-playbook" % (first, second) in text


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ({"__compliance_facts": GONE}, "unreachable: no route"),
        ({"__compliance_facts": GONE, "compliance_result": {"skipped": True}}, "unreachable: no route"),
        ({"__compliance_facts": {"failed": True, "msg": "x"}}, "it did not get to the end"),
        ({"__compliance_facts": 7, "compliance_result": 7}, "it did not get to the end"),
        ({"compliance_result": {"failed": True, "msg": "x", "mailops_controls": []}}, "it did not get to the end"),
        ({}, "it did not get to the end"),
    ],
)
def test_a_host_that_was_not_checked_fails(run, host, why):
    hosts = {"good": checked((COUNT, "pass")), "lost": host}
    made, text = run(hosts, view="verdict", fail_on="critical")
    assert made["failed"] is True and made["msg"] == "1 of 2 hosts not as required; see above"
    assert (made["hosts_failed"], made["hosts_not_checked"]) == (["lost"], {"lost": why})
    assert text == "NOT CHECKED\n  lost: %s\n\n2 hosts: 1 pass." % why
    assert "failed" not in run(hosts, view="verdict", fail_on="never")[0]
    assert "failed" not in run(hosts, view="verdict", hosts=["good"])[0]


@pytest.mark.parametrize("status", ["fail", "error"])
@pytest.mark.parametrize(
    ("fail_on", "bad"),
    [
        ("low", ["count", "version"]),
        ("medium", ["count"]),
        ("high", ["count"]),
        ("critical", []),
        ("never", []),
    ],
)
def test_what_weighs_less_than_is_asked_for_fails_nothing(run, status, fail_on, bad):
    hosts = {"count": checked((COUNT, status)), "version": checked((VERSION, status)), "good": checked((AUTH, "pass"))}
    made, text = run(hosts, view="verdict", fail_on=fail_on)
    assert (made["hosts_failed"], made.get("failed", False)) == (bad, bool(bad))
    # It is shown in any case.
    assert "queue-count" in text and "mta-version" in text


def test_by_default_everything_weighs(run):
    assert run({"a": checked((VERSION, "fail"))}, view="verdict")[0]["failed"] is True


@pytest.mark.parametrize("fail_on", ["low", "never"])
def test_where_there_is_no_host_it_fails(run, fail_on):
    made, text = run({}, view="verdict", fail_on=fail_on)
    assert (made["failed"], made["msg"]) == (True, "there is no host to check")
    assert text == "0 hosts: no control was recorded."


def test_hostile_text_is_shown_harmless_and_never_evaluated(run):
    hosts = {
        "mx%d" % number: checked(
            (COUNT, "fail", dict.fromkeys(("id", "title", "observed", "remedy"), text)),
            (UNKNOWN, "error", {"reason": text}),
        )
        for number, text in enumerate(HOSTILE)
    }
    hosts["gone"] = {"__compliance_facts": dict(GONE, msg="".join(HOSTILE))}
    _made, text = run(hosts, view="verdict")
    assert not {unicodedata.category(char) for char in text.replace("\n", "")} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert "{{ 6 * 7 }}" in text and "\\u202e" in text and "\\x1b[31m" in text
    # A line of a stranger is no line of ours.
    assert not [line for line in text.splitlines() if line.startswith(("HTTP", "evil", "# TYPE"))]


def test_many_faults_are_cut_and_still_counted(run):
    hosts = {"mx%04d" % number: checked((COUNT, "fail")) for number in range(show_compliance.MAX_SHOWN + 7)}
    made, text = run(hosts, view="verdict")
    assert len(made["hosts_failed"]) == made["counts"]["fail"] == show_compliance.MAX_SHOWN + 7
    assert text.count("queue-count") == show_compliance.MAX_SHOWN and "... and more; the report has them all." in text


def test_lines_fit_the_width_but_for_commands(run):
    text = run({"a": checked((UNKNOWN, "fail"), (COUNT, "error", {"reason": "x " * 200}))}, view="verdict", width=1)[1]
    assert max(len(line) for line in text.splitlines() if "ansible-playbook" not in line) <= 40
    assert "    ansible-playbook mailops.rescue.harden -l mx" in text


@pytest.mark.parametrize("name", ["{}/report.json", "~/report.json"])
def test_how_large_queues_were_before(run, tmp_path, monkeypatch, name):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "report.json").write_text(json.dumps(before()))
    made, text = run({}, view="before", previous=name.format(tmp_path))
    assert made == {
        "changed": False,
        "error": None,
        "totals": {"mx1.example.com": 45, "mx2.example.com": 100, "mx3.example.com": 100, "mx4.example.com": 100},
    }
    assert text == ""


def test_queues_of_one_host_add_up_and_a_host_without_one_is_left_out(run, tmp_path):
    hosts = [{"name": "a", "queues": [{"total": 2}, {"total": 3}]}, {"name": "b", "queues": []}]
    (tmp_path / "r").write_text(json.dumps({"hosts": hosts}))
    assert run({}, view="before", previous=str(tmp_path / "r"))[0]["totals"] == {"a": 5}


@pytest.mark.parametrize("options", [{}, {"previous": ""}, {"previous": "/nosuch/report.json"}])
def test_without_a_report_before_nothing_is_known_and_nothing_is_wrong(run, options):
    assert run({}, view="before", **options)[0] == {"changed": False, "totals": {}, "error": None}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        "\xff",
        "[]",
        "{}",
        '{"hosts": 7}',
        '{"hosts": [{"name": "a"}]}',
        '{"hosts": [{"name": "a", "queues": [{"total": null}]}]}',
        "[" * 100000,
    ],
)
def test_a_report_before_that_is_none_is_told(run, tmp_path, text):
    path = tmp_path / "report.json"
    path.write_text(text, encoding="latin-1")
    made, _text = run({}, view="before", previous=str(path))
    assert made["totals"] == {} and not made.get("failed")
    assert made["error"].startswith("%s is no report: " % path)


def test_a_directory_is_no_report(run, tmp_path):
    assert "is no report: IsADirectoryError" in run({}, view="before", previous=str(tmp_path))[0]["error"]


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"report_directory": "/r", "report_formats": "html"}, "/r/report.json"),
        ({"report_directory": "~/r"}, "{}/r/report.json"),
        ({"report_directory": "/r", "report_previous": "~/old.json", "report_mask_addresses": "?"}, "{}/old.json"),
        ({}, "{}/mailops-report/report.json"),
    ],
)
def test_the_report_that_the_callback_compares_with(run, tmp_path, monkeypatch, given, path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(show_compliance, "load_extra_vars", lambda loader: given)
    # As nothing is configured; the loader finds collections in a run only.
    monkeypatch.setattr(settings, "callback_loader", SimpleNamespace(get=lambda *_a, **_k: CALLBACK))
    configured = {"directory": "mailops-report", "previous": None}
    monkeypatch.setattr(settings.C.config, "get_config_value", lambda name, **_more: configured[name])
    made, text = run({}, view="previous")
    assert made == {"changed": False, "path": path.format(tmp_path)}
    assert text == ""


def test_options_are_those_that_are_documented():
    accepts_what_is_documented(show_compliance)
