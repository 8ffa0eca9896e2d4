"""Hosts that somebody has broken into: whatever they answer costs the report of the others nothing."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import jsonschema

from ansible_collections.mailops.rescue.plugins.plugin_utils.report.collector import Collector
from ansible_collections.mailops.rescue.plugins.plugin_utils.report.comparison import usable
from ansible_collections.mailops.rescue.plugins.plugin_utils.report.document import build
from ansible_collections.mailops.rescue.plugins.plugin_utils.report.formats import FORMATS, render
from ansible_collections.mailops.rescue.plugins.plugin_utils.report.masks import Mask
from tests.support.reporting import CONTROL, INFO, PROBE, PURGE, RESTORE, RUN, control, restore_command
from tests.unit.plugins.plugin_utils.changed import change, counts
from tests.unit.plugins.plugin_utils.results import result

SCHEMA = json.loads((Path(__file__).resolve().parents[5] / "docs/report.schema.json").read_text())
NESTED = []
for _level in range(2000):
    NESTED = [NESTED]
VALUES = (
    None,
    -1,
    10**400,
    10**5000,
    "x",
    "",
    "\ud800",
    b"\xff",
    [],
    {},
    [[]],
    {"a": 1},
    {"": {}},
    True,
    1.5,
    float("nan"),
    float("inf"),
    [None] * 3,
    "9" * 5000,
    NESTED,
)
TOP = {"sender": {"a@example.com": 3}, "client_address": {"192.0.2.1": 2}, "sasl_username": {"bob": 1}}
LEFT = {"left": [{"id": "1", "reason": "r"}], "left_count": 1}
GIVEN = (
    (INFO, result(3, ages=[[0, 60, 3]], top=TOP)),
    (PURGE, change(3, counts(remote=3), counts(), **LEFT)),
    (RESTORE, change(3, counts(), counts(remote=3), kind="restore", **LEFT)),
    (
        PROBE,
        {
            "connected": True,
            "address": "192.0.2.1",
            "port": 25,
            "banner": "b",
            "error": None,
            "starttls": {"version": "v", "certificate": {"days_left": 3}},
            "auth": {"before_tls": ["PLAIN"], "after_tls": None},
            "relay": {"verdict": "refused"},
        },
    ),
    (
        CONTROL,
        {
            "mailops_controls": [
                control(
                    0,
                    "fail",
                    "h",
                    references=["r"],
                    waiver={"reason": "r", "owner": "o", "expires": "2027-01-01", "expired": True},
                )
            ]
        },
    ),
    (CONTROL, {"results": [{"mailops_controls": [control(0, "pass", "h")]}]}),
)


def places(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


def spoilt(given, path, value):
    if not path:
        return value
    made = copy.deepcopy(given)
    inner = made
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return made


def test_whatever_hosts_answer():
    collector, number = Collector(), 0
    for action, given in GIVEN:
        for path in places(given):
            for value in VALUES:
                number += 1
                bad = spoilt(given, path, value)
                name = "h%d" % number
                if isinstance(bad, dict):
                    collector.ok(name, action, bad)
                    collector.failed(name, action, dict(bad, failed=True, msg=value), "Task", handled=True)
    collector.ok("good", CONTROL, GIVEN[4][1])
    collector.ok("good", INFO, GIVEN[0][1])
    assert number > 1000
    document = build(collector, RUN, "Spoilt", None, (), restore_command)
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    usable(json.loads(render("json", document)))
    for one in (document, Mask(b"key").document(document)):
        for name in FORMATS:
            assert render(name, one)
    good = next(host for host in document["hosts"] if host["name"] == "good")
    assert good["status"] == "fail" and good["queues"][0]["total"] == 3
    assert document["summary"]["controls"]["pass"] < 1000


def test_an_answer_that_cannot_be_read_makes_the_host_unknown(monkeypatch):
    collector = Collector()
    collector.ok("mx1", CONTROL, {"mailops_controls": [control(0, "pass", "mx1")]})
    collector.ok("mx1", INFO, dict(GIVEN[0][1], nested=NESTED))
    collector.finished({"mx1": {}})
    host = build(collector, RUN, "Spoilt")["hosts"][0]
    assert (host["status"], host["reason"]) == ("unknown", "its answer cannot be read: RecursionError")
    assert host["controls"][0]["status"] == "error"


def test_a_host_cannot_say_that_its_controls_hold():
    collector = Collector()
    collector.ok("mx1", CONTROL, {"mailops_controls": [control(0, "fail", "mx1")]})
    collector.ok("mx1", INFO, dict(result(1), mailops_controls=[control(0, "pass", "mx1")]))
    collector.ok("mx1", "ansible.builtin.command", {"mailops_controls": [control(0, "pass", "mx1")]})
    assert build(collector, RUN, "x")["hosts"][0]["controls"][0]["status"] == "fail"
