from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.mailops.rescue.plugins.plugin_utils.show.change_results import Changes
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.changes import prompt, question, show_done, show_plan
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.commands import Invocation
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.quarantine import Listings, show_listings
from tests.unit.plugins.plugin_utils.changed import BATCH, batch, change, counts, listing
from tests.unit.plugins.plugin_utils.results import result

GOLDEN = Path(__file__).parents[1] / "golden"
FULL, CLEAN = counts(local=10, remote=2035), counts(local=10, remote=39)
PLANNED = change(1996, FULL, CLEAN, batch=None)
DONE = change(1996, FULL, CLEAN)
HOSTILE = "{{ x }}\x1b[31m\u202e" + "A" * 300
MESSAGE = {
    "id": "4711",
    "queue_directory": "/queue",
    "queue": "remote",
    "state": "S5",
    "sender": "",
    "recipients": [],
    "recipient_count": 1,
    "arrival_time": "2026-01-02T03:04:05Z",
    "age": 3600,
    "size": 1,
    "subject": "failure notice",
    "header_from": None,
    "header_to": None,
    "message_id": None,
    "date": None,
    "client_address": None,
    "client_name": None,
    "sasl_username": None,
    "origin_uid": None,
    "is_bounce": True,
    "bounced_recipients": [],
}


def golden(name, text):
    path = GOLDEN / (name + ".txt")
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text + "\n", encoding="utf-8")
    assert text + "\n" == path.read_text(encoding="utf-8")
    fits(text)


def fits(text, width=72):
    assert "\x1b" not in text and "\u202e" not in text
    for line in text.splitlines():
        assert len(line) <= width or line.startswith("  ansible-playbook "), line


def test_a_plan():
    why = "it is still being injected"
    left = [{"id": str(number), "queue_directory": "/queue", "reason": why} for number in range(3)]
    plan = Changes(
        "purge",
        {
            "mx1": dict(PLANNED, left=left, left_count=3),
            "mx2": change(7, counts(remote=8), counts(remote=1), recovered=[{"batch": BATCH, "messages": None}]),
            "quiet": change(0, counts(remote=5), counts(remote=5)),
            "full": {"failed": True, "msg": "max_messages: 9 messages are selected, and no more than 5 may be"},
            "off": {"unreachable": True, "msg": "timed out"},
            "bad": {"skipped": True, "skip_reason": "Conditional result was False"},
        },
        {"bad": {"failed": True, "msg": "queue_directory: /x is not a queue."}},
    )
    top = {"sender": {"": 1996}, "subject": {"failure notice": 1996}}
    read = result(1996, bounces=1996, top=top, messages=[MESSAGE])
    golden("plan", show_plan(plan, {"mx1": read}, False))
    assert plan.changing() == ["mx1", "mx2"] and plan.messages() == 2003
    assert question(plan) == "Take 2,003 messages out of the queues of 2 hosts, into quarantine? Type yes to go on"
    assert "This was a check: nothing was changed." in show_plan(plan, {}, True)


def test_what_was_done():
    stopped = {"queue_directory": "/queue", "state_before": "running", "state_after": "running"}
    done = Changes(
        "purge",
        {
            "mx1": dict(DONE, service=[stopped]),
            "mx2": change(
                500,
                counts(remote=900),
                None,
                counts_after=None,
                failed=True,
                msg="quarantine: the disk failed.",
                service=[dict(stopped, state_after="down")],
            ),
        },
    )
    golden("done", show_done(done, Invocation(options=("-i", "inventory/example"))))


def test_what_was_restored():
    done = Changes(
        "restore",
        {
            "mx1": change(1996, CLEAN, FULL, "restore"),
            "out1": change(5, counts("postfix"), counts("postfix", hold=5), "restore", "postfix", remaining=2),
        },
    )
    golden("restored", show_done(done, Invocation()))
    assert question(done) == "Put 2,001 messages back into the queues of 2 hosts? Type yes to go on"


def test_batches():
    listings = Listings(
        {
            "mx2": listing(
                batch(batch="20261121T202427Z-0002", kind="repair"),
                batch(label="back from a partner"),
                batch(3, state="unfinished", batch="20261120T101500Z-0001"),
                batch(0, batch="20261119T101500Z-0001"),
                batch(0, batch="20261118T101500Z-0001"),
                batch(0, state="unfinished", batch="20261117T101500Z-0001"),
            ),
            "mx1": listing(),
            "mx10": listing(
                batch(),
                verified=1995,
                corrupt_count=1,
                corrupt=[{"path": "mess/1/23", "batch_path": "/q", "reason": "is missing"}],
                unreadable=[{"path": "/q/x", "reason": "has no manifest.json"}],
                unreadable_count=1,
            ),
            "off": {"unreachable": True, "msg": "timed out"},
        }
    )
    golden("batches", show_listings(listings, Invocation()))
    assert listings.corrupt() == ["mx10"]


def test_discarding_is_said_twice():
    plan = Changes("purge", {"mx1": dict(PLANNED, discarded=True)})
    assert "FOR GOOD" in question(plan)
    assert "!! For good" in show_plan(plan, {}, False)
    done = Changes("purge", {"mx1": dict(DONE, discarded=True, batch=None)})
    text = show_done(done, Invocation())
    assert "1,996 messages removed for good" in text and "UNDO" not in text


@pytest.mark.parametrize("name", ["{{ x }}", "../../x", BATCH + "\n", "; rm", 5, ["x"]])
def test_a_batch_that_is_no_name_gets_into_no_command(name):
    done = Changes("purge", {"mx1": dict(DONE, batch=name)})
    assert "ansible-playbook" not in show_done(done, Invocation())
    assert "ansible-playbook" not in show_listings(Listings({"mx1": listing(batch(batch=name))}), Invocation())


def test_hostile_text_is_harmless_and_fits():
    left = [{"id": "1", "queue_directory": "/q", "reason": HOSTILE}]
    service = [{"queue_directory": HOSTILE, "state_before": HOSTILE, "state_after": HOSTILE}]
    one = dict(
        PLANNED,
        left=left,
        left_count=1,
        recovered=[{"batch": HOSTILE}],
        service=service,
        counts_before=counts(**{HOSTILE: 3}),
    )
    message = dict(MESSAGE, sender=HOSTILE, subject=HOSTILE, id=HOSTILE)
    read = result(10, top={"subject": {HOSTILE: 10}}, messages=[message])
    plan = Changes("purge", {HOSTILE: one, "b": {"failed": True, "msg": HOSTILE}})
    for text in (
        show_plan(plan, {HOSTILE: read}, False),
        show_done(Changes("purge", {"a": one}), Invocation()),
        show_listings(
            Listings(
                {
                    "a": listing(
                        batch(label=HOSTILE, select={"subject": HOSTILE}, user=HOSTILE),
                        unreadable=[{"path": HOSTILE, "reason": HOSTILE}],
                    )
                }
            ),
            Invocation(),
        ),
    ):
        assert "\\x1b" in text
        fits(text)


@pytest.mark.parametrize(
    "spoilt",
    [
        {"counts_before": {"total": "9", "by_queue": {}}},
        {"purged": "many"},
        {"left": [3]},
        {"left": None},
        {"counts_after": []},
        {"recovered": [{"batch": 3}]},
        {"service": ["x"]},
        {"bytes": {}},
        {"batch": []},
    ],
)
def test_an_answer_of_another_shape_is_a_failure(spoilt):
    plan = Changes("purge", {"mx1": dict(PLANNED, **spoilt)})
    assert plan.results == {}
    assert plan.failed == {"mx1": "its answer is not what queue_purge returns"}
    assert "its answer is not what queue_purge returns" in " ".join(show_plan(plan, {}, False).split())


@pytest.mark.parametrize(
    "spoilt",
    [
        {"batches": [{}]},
        {"batches": [dict(batch(), age="x")]},
        {"corrupt": [1]},
        {"batch_count": None},
        {"counts": {}},
        {"verified": "x"},
        {"batches": [dict(batch(), select="x")]},
    ],
)
def test_a_listing_of_another_shape_is_a_failure(spoilt):
    listings = Listings({"mx1": listing(batch(), **spoilt)})
    assert set(listings.failed) == {"mx1"}
    assert "NOT READ" in show_listings(listings, Invocation())


def test_unknown_numbers_after_a_failure():
    done = Changes("purge", {"mx1": dict(DONE, purged=None, bytes=None, failed=True, msg="lost power")})
    text = show_done(done, Invocation())
    assert "How many were taken is not known" in text


def test_many_hosts():
    hosts = {"mx%d" % number: change(number, batch="20261121T202427Z-%04x" % number) for number in range(1, 100)}
    text = show_done(Changes("purge", hosts), Invocation(), detail=2)
    assert text.count("ansible-playbook") == 50 and "and 49 more hosts" in text
    assert text.index("\nmx99\n") < text.index("\nmx98\n") < text.index("OTHER HOSTS") < text.index("97  mx97")


def test_what_a_plan_says_of_time_and_of_the_service():
    service = [
        {
            "queue_directory": "/q",
            "supervisor": "runit",
            "service": "/s",
            "state_before": "running",
            "state_after": "running",
            "pid": None,
            "killed": [],
        }
    ]
    text = show_plan(Changes("purge", {"mx1": dict(PLANNED, undecided_count=2, service=service)}), {}, False)
    assert "2 messages left, as matching took too long" in " ".join(text.split())
    assert "qmail-send would be stopped meanwhile" in text


KILLED = {
    "failed": True,
    "rc": -9,
    "module_stdout": "",
    "module_stderr": "",
    "msg": "Module result deserialization failed: No start of json char found",
}

LOST = "no answer came; a purge that had begun goes on there: "


@pytest.mark.parametrize(
    ("result", "how"),
    [
        (KILLED, "ended without an answer: "),
        ({"failed": True, "msg": "MODULE FAILURE\nSee stdout", "module_stderr": "Killed"}, "ended without an answer: "),
        ({"unreachable": True, "msg": "Connection lost"}, LOST),
        ({"failed": True, "timedout": {"period": 1}, "msg": "Timed out"}, LOST),
    ],
)
def test_a_host_without_an_answer(result, how):
    """What it did is not known, and no number is shown for it."""
    plans = {"mx1": dict(PLANNED, service=[STOPPED])}
    done = Changes("purge", {"mx1": result}, foreseen=plans)
    assert done.failed["mx1"].startswith(
        how + "qmail-send may be stopped, and messages may be in quarantine; run again, which puts that in order ("
    )
    text = show_done(done, Invocation())
    assert "PURGED  unknown how many messages, on 0 of 1 host, 1 FAILED" in " ".join(text.split(" ")).replace("\n", "")
    assert "0 messages" not in text
    others = Changes("purge", {"mx1": result, "mx2": DONE}, foreseen=plans)
    text = " ".join(show_done(others, Invocation()).split())
    assert "at least 1,996 messages" in text and "What was taken on the hosts without an answer" in text


STOPPED = {"queue_directory": "/queue", "state_before": "running", "state_after": "running", "cut_off": False}


@pytest.mark.parametrize(
    ("kind", "foreseen", "what"),
    [
        ("purge", {"mta": "postfix", "service": []}, ": messages may be in quarantine; run again"),
        ("purge", {"mta": "postfix", "discarded": True}, ": messages may be gone for good; run again"),
        ("restore", {"mta": "qmail"}, ": qmail-send may be stopped, and messages may be back in the queue; run again"),
        ("restore", {"mta": "postfix"}, ": messages may be back in the queue; run again"),
    ],
)
def test_what_may_be_on_a_host_without_an_answer(kind, foreseen, what):
    assert what in Changes(kind, {"mx1": KILLED}, foreseen={"mx1": foreseen}).failed["mx1"]


@pytest.mark.parametrize(("result", "before"), [(KILLED, None), ({"skipped": True}, KILLED), (None, KILLED)])
def test_a_look_without_an_answer_changed_nothing(result, before):
    plan = Changes("purge", {"mx1": result}, {"mx1": before})
    assert plan.failed["mx1"].startswith("ended without an answer; nothing was changed (") and plan.unanswered == []


def test_a_host_that_cannot_be_reached_was_not_begun_with():
    plan = Changes("purge", {"mx1": {"unreachable": True, "msg": "timed out"}})
    assert plan.failed == {"mx1": "unreachable: timed out"}


def test_a_failure_with_an_answer_is_known():
    result = {"failed": True, "msg": "stop_timeout: qmail-send did not stop within 60 s."}
    done = Changes("purge", {"mx1": result}, foreseen={})
    assert (done.failed, done.unanswered) == ({"mx1": result["msg"]}, [])


def test_undo_names_the_batches_of_runs_that_were_cut_off():
    other, third = "20261121T202427Z-0001", "20261121T202427Z-0002"
    recovered = [
        {"batch": other, "queue_directory": "/queue", "messages": 1000, "cut_off": "purge"},
        {"batch": other + ".2", "queue_directory": "/queue2", "messages": 3, "cut_off": "purge"},
        {"batch": third, "queue_directory": "/queue", "messages": 5, "cut_off": "restore"},
        {"batch": "20261121T202427Z-0003", "queue_directory": "/queue", "messages": 0, "cut_off": "purge"},
    ]
    service = [dict(STOPPED, cut_off=True)]
    text = show_done(Changes("purge", {"mx1": dict(DONE, recovered=recovered, service=service)}), Invocation())
    undo = text.partition("UNDO")[2]
    assert undo.count('"batch"') == 2 and other in undo and BATCH in undo
    assert "qmail-send was down since a run was cut off, and runs again." in text
    nothing = change(0, FULL, FULL, recovered=recovered[:1])
    assert other in show_done(Changes("purge", {"mx1": nothing}), Invocation()).partition("UNDO")[2]


def test_a_service_to_bring_back_is_a_change():
    plan = Changes("purge", {"mx1": change(0, FULL, FULL, service=[dict(STOPPED, cut_off=True)])})
    assert plan.changing() == ["mx1"]
    assert "qmail-send of /queue is down since a run was cut off; it would be" in show_plan(plan, {}, False)
    assert "neither Ctrl-C nor a lost connection" in prompt(plan) and prompt(plan).endswith(question(plan))
