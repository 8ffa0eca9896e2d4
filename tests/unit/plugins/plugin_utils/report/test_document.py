"""From results, as modules return them, to the document."""

from __future__ import annotations

import copy
import json
import re

import pytest

from ansible_collections.mailops.rescue.plugins.plugin_utils.report import comparison, records
from ansible_collections.mailops.rescue.plugins.plugin_utils.report.collector import Collector
from ansible_collections.mailops.rescue.plugins.plugin_utils.report.document import build
from ansible_collections.mailops.rescue.plugins.plugin_utils.report.masks import Mask
from tests.support.reporting import CONTROL, INFO, PROBE, PURGE, RUN, before, control, fleet, restore_command
from tests.unit.plugins.plugin_utils.changed import change, counts
from tests.unit.plugins.plugin_utils.results import result


def made(collector, previous=None):
    return build(collector, RUN, "Mail servers", previous, (), restore_command)


def hosts(document):
    return {host["name"]: host for host in document["hosts"]}


def statuses(host):
    return {one["id"]: one["status"] for one in host["controls"]}


def recorded(*given, host="mx1"):
    return {"mailops_controls": [control(number, status, host, **members) for number, status, members in given]}


def test_a_night():
    document = made(fleet(), before())
    found = hosts(document)
    assert list(found) == ["mx1.example.com", "mx2.example.com", "mx3.example.com", "mx10.example.com"]
    assert [host["status"] for host in found.values()] == ["fail", "pass", "unreachable", "unknown"]
    assert document["summary"] == {
        "hosts": {"total": 4, "pass": 1, "fail": 1, "unknown": 1, "unreachable": 1},
        "controls": {"total": 16, "fail": 2, "error": 5, "waived": 1, "pass": 7, "not_applicable": 1},
        "failed_by_severity": {"critical": 1, "high": 1, "medium": 0, "low": 0},
        "worst": "fail",
        "exit_code": 2,
    }
    assert found["mx3.example.com"]["reason"] == "ssh: connect to host mx3.example.com port 22: No route to host"
    assert set(statuses(found["mx3.example.com"]).values()) == {"error"}
    assert document["fleet"]["messages"] == 2057 and document["fleet"]["purged"] == 1400
    assert document["fleet"]["top"]["sender"][0] == {"value": "", "count": 1400}
    changes = document["changes"]
    assert changes["hosts"] == [
        {"name": "mx1.example.com", "before": "pass", "after": "fail"},
        {"name": "mx3.example.com", "before": "pass", "after": "unreachable"},
        {"name": "mx2.example.com", "before": "fail", "after": "pass"},
    ]
    assert (changes["added"], changes["missing"]) == (["mx10.example.com"], ["mx4.example.com"])
    assert {
        "host": "mx2.example.com",
        "id": "auth-port-25",
        "before": "fail",
        "after": "pass",
        "kind": "better",
    } in changes["controls"]
    assert [one["after"] for one in changes["controls"] if one["kind"] == "worse"] == [
        "fail",
        "fail",
        "error",
        "error",
        "error",
        "error",
        "waived",
    ]
    assert changes["queues"][0] == {"host": "mx1.example.com", "before": 45, "after": 2045}
    assert [one["messages"] for one in document["history"]] == [345, 2057]


def test_no_message_and_no_argument_gets_into_it():
    collector = fleet()
    message = {
        "id": "4711",
        "queue": "deferred",
        "queue_directory": "/q",
        "sender": "s@example.com",
        "size": 1,
        "subject": "PRIVATE",
        "client_address": None,
        "client_name": None,
        "sasl_username": None,
        "age": 1,
        "origin_uid": None,
        "recipient_count": 1,
        "recipients": [],
        "bounced_recipients": [],
        "content": "PRIVATE",
    }
    collector.ok("mx1.example.com", INFO, dict(result(1), messages=[message], invocation={"module_args": "PRIVATE"}))
    assert hosts(made(collector))["mx1.example.com"]["queues"][0]["total"] == 1
    assert "PRIVATE" not in json.dumps(made(collector))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("password=hunter2, user=x", "password=***, user=x"),
        ('{"api_key": "hunter2"}', '{"api_key": ***}'),
        ("DB_PASSWORD: hunter2", "DB_PASSWORD: ***"),
        ("Authorization: Bearer hunter2hunter2", "Authorization: Bearer ***"),
        ("https://bob:hunter2@example.com/x", "https://bob:***@example.com/x"),
        ("token expired", "token expired"),
        ("smtpd_tls_auth_only = yes", "smtpd_tls_auth_only = yes"),
    ],
)
def test_passwords_are_hidden(text, shown):
    assert records.clean(text) == shown


def test_results_that_are_none_are_left_out():
    collector = Collector()
    for action in (INFO, PURGE, PROBE, "mailops.rescue.queue_restore"):
        for bad in ({}, {"counts": 7}, {"connected": "x"}, {"counts_before": []}, {"skipped": True}):
            collector.ok("mx1", action, bad)
    for bad in ({"mailops_controls": 7}, {"mailops_controls": [7, {}, {"id": 7}]}, {"results": [7, {"x": 1}]}):
        collector.ok("mx1", CONTROL, bad if not isinstance(bad.get("mailops_controls"), int) else {})
    collector.ok("mx1", CONTROL, {"mailops_controls": [{"id": "x", "status": "fine", "severity": 7}]})
    host = hosts(made(collector))["mx1"]
    assert (host["queues"], host["purges"], host["restores"], host["probes"]) == ([], [], [], [])
    # What nobody knows has not passed.
    assert statuses(host) == {"x": "error"} and host["status"] == "unknown"


def test_a_later_task_counts_but_in_a_loop_the_worst():
    collector = Collector()
    collector.ok("mx1", CONTROL, recorded((0, "fail", {})))
    collector.ok("mx1", CONTROL, recorded((0, "pass", {})))
    collector.ok(
        "mx1", CONTROL, {"results": [recorded((1, "pass", {})), recorded((1, "fail", {})), recorded((1, "pass", {}))]}
    )
    assert statuses(hosts(made(collector))["mx1"]) == {"queue-count": "pass", "unknown-recipients": "fail"}


def test_a_host_that_failed_knows_only_what_had_failed():
    collector = Collector()
    collector.ok("mx1", CONTROL, recorded((0, "fail", {}), (1, "pass", {}), (2, "waived", {})))
    collector.failed("mx1", "ansible.builtin.command", {"msg": "boom"}, "A task")
    collector.finished({"mx1": {"failures": 1}})
    host = hosts(made(collector))["mx1"]
    assert (host["status"], host["reason"]) == ("fail", "boom")
    assert statuses(host) == {"queue-count": "fail", "unknown-recipients": "error", "auth-port-25": "error"}


def test_hosts_that_say_nothing_have_the_controls_that_they_had():
    collector = Collector()
    collector.unreachable("mx2.example.com", "ansible.builtin.setup", {"msg": "gone"}, "Facts")
    collector.unreachable("new", "ansible.builtin.setup", {"msg": "gone"}, "Facts")
    found = hosts(made(collector, before()))
    assert len(found["mx2.example.com"]["controls"]) == len(found["new"]["controls"]) == 4
    assert found["new"]["controls"][0]["reason"] == "unreachable: gone"
    assert made(collector)["hosts"][0]["controls"] == []
    assert made(collector)["summary"]["exit_code"] == 3


def test_rescued_and_ignored_failures_leave_the_host_alone():
    collector = Collector()
    collector.ok("mx1", CONTROL, recorded((0, "pass", {})))
    collector.failed("mx1", "ansible.builtin.command", {"msg": "boom"}, "A task")
    collector.failed("mx1", INFO, {"msg": "no queue"}, "Read", handled=True)
    collector.finished({"mx1": {"failures": 0, "rescued": 1}})
    host = hosts(made(collector))["mx1"]
    assert (host["status"], host["reason"]) == ("pass", None)
    assert [(one["reason"], one["handled"]) for one in host["errors"]] == [("boom", True), ("no queue", True)]
    # Without any control there is nothing else that would say it.
    collector.failed("mx2", PURGE, {"msg": "no queue"}, "Purge", handled=True)
    assert hosts(made(collector))["mx2"]["status"] == "unknown"


def test_hosts_that_the_run_did_not_come_to_are_unknown_and_the_controller_is_none():
    collector = Collector()
    collector.expect(["mx1", "mx2"])
    collector.ok("mx1", CONTROL, recorded((0, "pass", {})))
    collector.ok("localhost", "ansible.builtin.debug", {})
    collector.finished({"mx1": {}, "localhost": {}})
    found = hosts(made(collector))
    assert {name: host["status"] for name, host in found.items()} == {"mx1": "pass", "mx2": "unknown"}
    assert statuses(found["mx2"]) == {"queue-count": "error"}


def test_who_could_not_be_reached_for_another_is_told():
    collector = Collector()
    collector.unreachable("mx1", PROBE, {"msg": "gone"}, "Probe from outside", "vantage")
    collector.ok("mx1", CONTROL, recorded((0, "error", {})))
    collector.finished({"mx1": {"unreachable": 0}})
    host = hosts(made(collector))["mx1"]
    assert (host["status"], host["errors"][0]["reason"]) == ("unknown", "through vantage: gone")


def test_what_was_done_replaces_the_plan():
    plan = change(7, counts(remote=9), counts(remote=2), batch=None)
    collector = Collector()
    collector.ok("mx1", PURGE, plan, checked=True)
    one = hosts(made(collector))["mx1"]["purges"][0]
    assert (one["checked"], one["messages"], one["restore_command"]) == (True, 7, None)
    assert made(collector)["fleet"]["purged"] == 0
    collector.ok("mx1", PURGE, change(7, counts(remote=9), counts(remote=2), batch="20261122T020012Z-3fa9"))
    found = hosts(made(collector))["mx1"]["purges"]
    assert [(one["checked"], one["before"]["total"], one["after"]["total"]) for one in found] == [(False, 9, 2)]
    assert found[0]["restore_command"] == restore_command("mx1", "20261122T020012Z-3fa9")


def test_a_batch_that_is_no_name_gets_into_no_command():
    collector = Collector()
    collector.ok("mx1", PURGE, change(7, batch="x; rm -rf /"))
    one = hosts(made(collector))["mx1"]["purges"][0]
    assert (one["batch"], one["restore_command"]) == (None, None)


def test_a_purge_that_failed_half_way_says_how_far_it_got():
    collector = Collector()
    collector.failed("mx1", PURGE, change(3, counts(remote=9), failed=True, msg="the disk is full"), "Purge")
    collector.finished({"mx1": {"failures": 1}})
    one = hosts(made(collector))["mx1"]["purges"][0]
    assert (one["messages"], one["failed"]) == (3, "the disk is full") and one["restore_command"]


@pytest.mark.parametrize(
    ("results", "worst", "code"),
    [
        ([("pass", "critical")], "pass", 0),
        ([("waived", "critical"), ("not_applicable", "critical")], "pass", 0),
        ([("fail", "low")], "fail", 1),
        ([("fail", "medium"), ("pass", "high")], "fail", 1),
        ([("error", "low")], "unknown", 3),
        ([("fail", "medium"), ("error", "low")], "fail", 3),
        ([("fail", "high"), ("error", "low")], "fail", 2),
        ([("fail", "critical")], "fail", 2),
    ],
)
def test_the_exit_code(results, worst, code):
    collector = Collector()
    collector.ok(
        "mx1",
        CONTROL,
        {
            "mailops_controls": [
                control(0, status, "mx1", id="c%d" % number, severity=severity)
                for number, (status, severity) in enumerate(results)
            ]
        },
    )
    summary = made(collector)["summary"]
    assert (summary["worst"], summary["exit_code"]) == (worst, code)


def test_a_run_without_hosts_is_unknown():
    assert made(Collector())["summary"]["exit_code"] == 3


def test_what_differs_from_the_list_of_controls_stands_with_the_host():
    collector = Collector()
    for host in ("mx1", "mx2"):
        collector.ok(host, CONTROL, recorded((0, "pass", {}), host=host))
    collector.ok("mx3", CONTROL, recorded((0, "fail", {"severity": "critical"}), host="mx1"))
    document = made(collector)
    assert [
        sorted(set(host["controls"][0]) - {"id", "status", "observed", "reason", "waiver"})
        for host in document["hosts"]
    ] == [[], ["remedy"], ["severity"]]
    assert document["summary"]["failed_by_severity"]["critical"] == 1


def test_no_change_is_none():
    night = made(fleet(), before())
    changes = made(fleet(), night)["changes"]
    assert {name: value for name, value in changes.items() if value} == {"since": RUN["finished"]}
    assert made(fleet())["changes"] is None


def test_history_is_bounded():
    document = before()
    for _run in range(70):
        document = made(fleet(), document)
    assert len(document["history"]) == 60


@pytest.mark.parametrize(
    "spoil",
    [
        lambda document: [],
        lambda document: {},
        lambda document: dict(document, schema_version=2),
        lambda document: dict(document, hosts=None),
        lambda document: dict(document, hosts=[{"name": "x"}]),
        lambda document: dict(document, controls=[]),
        lambda document: dict(document, run={}),
        lambda document: dict(document, history=[{"fail": "x"}]),
        lambda document: dict(
            document, controls=[{"id": one["id"], "title": "x", "severity": "low"} for one in document["controls"]]
        ),
        lambda document: dict(document, controls=[dict(one, title=None) for one in document["controls"]]),
    ],
)
def test_what_cannot_be_compared_with_is_refused(spoil):
    assert comparison.usable(before())
    with pytest.raises(comparison.UnusablePrevious):
        comparison.usable(spoil(copy.deepcopy(before())))


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("mail from bob@example.com to <alice@example.org>", ("bob", "alice")),
        ("bob@example.com,alice@example.org;eve@example.net", ("bob", "alice", "eve")),
        ('"bob smith"@example.com', ("bob", "smith")),
        ("bounce-bob=example.com@list.example.org", ("bob",)),
        ("a@bob@example.com", ("a@", "bob")),
        ("mailto:bob@example.com", ("bob",)),
        ("from {alice}@example.com", ("alice",)),
        ("o'brien@example.com", ("o'", "brien")),
        ("alice|bob@example.com", ("alice", "bob")),
        ("alice`s=x/1!2#3$4%5&6*7+8-9?0^_~.@example.com", ("alice", "x/1", "0^")),
        ("ålice@example.com", ("lice",)),
        ('to=<alice."b c"@example.com>', ("alice", "b c")),
        (r'"a\"lice smith"@example.com', ("lice", "smith")),
        ("alice\\x07bob@example.com", ("alice", "bob")),
        ("see https://spf.example/why?s=mfrom;id=bob.smith%40example.com;ip=192.0.2.7", ("bob", "smith")),
        ("o'brien%40example.com&to=alice%40example.net", ("brien", "alice")),
        ("alice\uff20example.com", ("alice",)),
        ("bob%40list.example@alice.example", ("bob",)),
    ],
)
def test_addresses_are_masked(text, hidden):
    mask = Mask(b"key")
    shown = mask.text(text)
    assert not [one for one in hidden if one in shown]
    assert "example" in shown and mask.text(text) == shown != Mask(b"other").text(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("user unknown: <bob.smi…", "user unknown: <…"),
        ("from bob.smi…", "from …"),
        ("bob…", "…"),
        ("user unknown <…", "user unknown <…"),
        ("100% of 40 percent, %40 as well", "100% of 40 percent, %40 as well"),
    ],
)
def test_an_address_that_was_cut_ahead_of_its_at(text, shown):
    assert Mask(b"key").text(text) == shown


def test_an_address_that_was_cut_after_its_at():
    assert re.fullmatch("to <x[0-9a-f]{8}@exam…", Mask(b"key").text("to <bob@exam…"))


@pytest.mark.parametrize(
    "text",
    [
        "bob@example.com",
        "'bob@example.com'",
        "to=<bob@example.com>",
        "`bob@example.com`",
        "mailto:bob@example.com",
        '{"to":"bob@example.com"}',
    ],
)
def test_equal_addresses_stay_equal_whatever_stands_around_them(text):
    assert Mask(b"key").text(text).count(Mask(b"key").text("bob@example.com")) == 1


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("sender", "alice", r"x[0-9a-f]{8}"),
        ("sender", "alice smith@example.com", r"x[0-9a-f]{8}@example\.com"),
        ("sender", "", ""),
        ("sasl_username", "alice", r"x[0-9a-f]{8}"),
        ("subject", "alice", "alice"),
    ],
)
def test_what_is_an_address_in_any_case_is_masked_whole(name, value, shown):
    masked = Mask(b"key").document({"top": {name: [{"value": value, "count": 1}]}})
    assert re.fullmatch(shown, masked["top"][name][0]["value"])


def test_masking_takes_time_in_proportion():
    # A minute and more where it did not.
    for text in (
        "@" * 200000,
        '"' * 200000 + "@",
        "x@" * 100000,
        '"' + '\\"' * 100000 + "@",
        "'" * 200000 + "@",
        "x%40" * 100000,
        "x" * 200000 + "%40",
        "x" * 200000 + "…",
        " x" * 100000 + "…",
    ):
        assert Mask(b"key").text(text)


def test_a_masked_document_still_counts_alike():
    night = made(fleet(), before())
    masked = Mask(b"key").document(night)
    assert masked["summary"] == night["summary"]
    assert [host["name"] for host in masked["hosts"]] == [host["name"] for host in night["hosts"]]
    senders = [one["value"] for one in masked["fleet"]["top"]["sender"]]
    assert senders[0] == "" and senders[1].endswith("@shop.example.net") and len(set(senders)) == 3
