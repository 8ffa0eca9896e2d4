"""When a report is worth an alert; the documents are as the callback builds them."""

import pytest

from ansible_collections.mailops.rescue.plugins.plugin_utils.report.comparison import changes
from ansible_collections.mailops.rescue.plugins.plugin_utils.schedule.alert import no_report, turned

SETTINGS = {"name": "control", "report_directory": "/srv/report", "alert_unknown": False}
SEVERITY = {"grave": "high", "worst": "critical", "small": "low", "other": "medium"}


def document(hosts, previous=None):
    """A report; `hosts`: name to a status, or to {control: status}."""
    made = {
        "run": {"finished": "2026-01-01T00:00:00Z"},
        "hosts": [],
        "changes": None,
        "controls": [{"id": name, "severity": severity} for name, severity in SEVERITY.items()],
    }
    for name, given in hosts.items():
        controls = given if isinstance(given, dict) else {}
        worst = "fail" if "fail" in controls.values() else "unknown" if "error" in controls.values() else "pass"
        status = given if isinstance(given, str) else worst
        found = [{"id": one, "status": status} for one, status in controls.items()]
        made["hosts"].append({"name": name, "status": status, "queues": [], "controls": found})
    if previous is not None:
        made["changes"] = changes(document(previous), made)
    return made


def told(before, after, **changed):
    made = turned(document(after, before), dict(SETTINGS, **changed))
    return made and [
        (one["name"], one["before"], one["after"], [control["id"] for control in one["controls"]])
        for one in made["hosts"]
    ]


GOOD = {"small": "pass", "grave": "pass", "worst": "pass"}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (GOOD, GOOD, None),
        (GOOD, dict(GOOD, small="fail"), [("a", "pass", "fail", ["small"])]),
        (
            GOOD,
            dict(GOOD, small="fail", worst="fail", grave="fail"),
            [("a", "pass", "fail", ["worst", "grave", "small"])],
        ),
        (dict(GOOD, small="error"), dict(GOOD, small="fail"), [("a", "unknown", "fail", ["small"])]),
        ("unreachable", dict(GOOD, small="fail"), [("a", "unreachable", "fail", ["small"])]),
        (dict(GOOD, grave="fail"), dict(GOOD, grave="fail"), None),
        (dict(GOOD, grave="fail"), GOOD, None),
        (dict(GOOD, grave="fail"), dict(GOOD, small="fail"), None),
        (dict(GOOD, small="fail"), dict(GOOD, small="fail", other="fail"), None),
        (dict(GOOD, small="fail"), dict(GOOD, small="fail", grave="fail"), [("a", "fail", "fail", ["grave"])]),
        (dict(GOOD, small="waived"), dict(GOOD, small="fail"), [("a", "pass", "fail", ["small"])]),
        (dict(GOOD, small="fail"), dict(GOOD, small="waived"), None),
        (GOOD, "unreachable", None),
        (GOOD, dict(GOOD, grave="error"), None),
    ],
)
def test_one_host(before, after, expected):
    assert told({"a": before, "b": GOOD}, {"a": after, "b": GOOD}) == expected


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (GOOD, "unreachable", [("a", "pass", "unreachable", [])]),
        ("unknown", "unreachable", [("a", "unknown", "unreachable", [])]),
        ("unreachable", "unreachable", None),
        ("unreachable", GOOD, None),
    ],
)
def test_unknown_where_that_is_wanted(before, after, expected):
    assert told({"a": before}, {"a": after}, alert_unknown=True) == expected


def test_new_hosts_and_first_reports():
    bad = dict(GOOD, small="fail")
    assert told({"a": GOOD}, {"a": GOOD, "new": bad}) == [("new", None, "fail", ["small"])]
    assert told({"a": GOOD}, {"a": GOOD, "new": GOOD}) is None
    assert told({"a": GOOD, "gone": GOOD}, {"a": GOOD}) is None
    assert told(None, {"a": GOOD, "b": bad}) == [("b", None, "fail", ["small"])]
    assert told(None, {"a": GOOD}) is None
    assert "no report to compare with" in turned(document({"b": bad}), SETTINGS)["text"]


def test_a_host_may_have_a_severity_of_its_own():
    made = document({"a": dict(GOOD, small="fail", grave="fail")}, {"a": dict(GOOD, other="fail")})
    small, grave = made["hosts"][0]["controls"][:2]
    small["severity"], grave["severity"] = "critical", "low"
    made["hosts"][0]["controls"].append({"id": "other", "status": "fail"})
    made["changes"] = changes(document({"a": dict(GOOD, other="fail")}), made)
    assert [(one["id"], one["severity"]) for one in turned(made, SETTINGS)["hosts"][0]["controls"]] == [
        ("small", "critical"),
        ("grave", "low"),
    ]
    del small["severity"]
    assert turned(made, SETTINGS) is None


def test_an_alert_says_which_hosts_vanished():
    gone = {"gone%03d" % number: GOOD for number in range(120)}
    made = turned(document({"a": dict(GOOD, small="fail")}, dict(gone, a=GOOD)), SETTINGS)
    words = "no longer in the inventory: gone000, gone001, gone002, gone003, gone004 and 115 more"
    assert made["text"] == "ALERT mail servers: 1 of 1 fails now: a; " + words
    assert made["missing"] == sorted(gone)[:50] and no_report("x", SETTINGS)["missing"] == []


def test_what_is_said_is_harmless_and_bounded():
    names = {"h%03d\x1b[31m" % number: GOOD for number in range(120)}
    made = turned(document(dict.fromkeys(names, {"small": "fail"}), names), SETTINGS)
    assert made["count"] == 120 and len(made["hosts"]) == 50
    assert made["text"].startswith("ALERT mail servers: 120 of 120 fail now: h000")
    assert "\x1b" not in made["text"] + made["body"] and len(made["text"]) < 300
    assert "and 70 more" in made["body"] and "Report: /srv/report on control" in made["body"]


def test_no_report():
    made = no_report("a\nb\x1b" + "x" * 1000, SETTINGS)
    assert made["event"] == "no_report" and len(made["text"]) < 400
    assert "\n" not in made["text"] and "\x1b" not in made["text"]
