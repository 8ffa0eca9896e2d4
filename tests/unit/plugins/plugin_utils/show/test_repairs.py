from __future__ import annotations

import pytest

from ansible_collections.mailops.rescue.plugins.plugin_utils.show.repairs import unrepaired

PLAN = {"mta": "qmail", "fault_counts": {"owner": 3}, "repaired": 2, "quarantined": 1, "left_count": 0, "service": []}
NOTHING = dict(PLAN, fault_counts={}, repaired=0, quarantined=0)
KILLED = {"failed": True, "msg": "Module result deserialization failed: No start of json char found"}
SKIPPED = {"skipped": True, "skip_reason": "Conditional result was False"}
ORDER = "files may be set aside; run again, which puts that in order ("
INCOMPLETE = "not everything was repaired; see above"


@pytest.mark.parametrize(
    ("plan", "done", "reason"),
    [
        (PLAN, PLAN, None),
        (NOTHING, SKIPPED, None),
        (NOTHING, None, None),
        (None, None, "no result: the host took no part in this run"),
        ({"unreachable": True, "msg": "timed out"}, None, "unreachable: timed out"),
        ({"failed": True, "msg": "split: expected 1 to 99999, got 0."}, None, "split: expected 1 to 99999, got 0."),
        (PLAN, SKIPPED, INCOMPLETE),
        (PLAN, dict(PLAN, left_count=1), INCOMPLETE),
        (PLAN, {"failed": True, "msg": "quarantine: the disk failed."}, "quarantine: the disk failed."),
        (PLAN, dict(PLAN, failed=True, msg="the disk failed."), "the disk failed."),
        (dict(NOTHING, service=[{"cut_off": True}]), {"failed": True, "msg": "start it"}, "start it"),
        ({"fault_counts": {}}, None, "its answer is not what queue_repair returns"),
    ],
)
def test_a_host_is_repaired_or_the_reason_is_named(plan, done, reason):
    assert unrepaired(plan, done) == reason


@pytest.mark.parametrize(
    ("mta", "done", "begins"),
    [
        ("qmail", KILLED, "ended without an answer: qmail-send may be stopped, and " + ORDER),
        ("postfix", KILLED, "ended without an answer: " + ORDER),
        (
            "qmail",
            {"unreachable": True, "msg": "Connection lost"},
            "no answer came; a repair that had begun goes on there: qmail-send may be stopped, and " + ORDER,
        ),
        (
            "postfix",
            {"failed": True, "timedout": {"period": 1}, "msg": "Timed out"},
            "no answer came; a repair that had begun goes on there: " + ORDER,
        ),
    ],
)
def test_a_repair_without_an_answer(mta, done, begins):
    assert unrepaired(dict(PLAN, mta=mta), done).startswith(begins)


def test_check_mode_asks_only_whether_the_queue_was_read():
    assert unrepaired(PLAN, SKIPPED, checking=True) is None
    reason = "ended without an answer; nothing was changed (%s)" % KILLED["msg"]
    assert unrepaired(KILLED, SKIPPED, checking=True) == reason
