"""A purge and a restore under a real Postfix, in a container."""

import os

import pytest

from tests.support.postfix_container import in_container

COUNT = int(os.environ.get("RESCUE_LIVE_MESSAGES", "3000"))
# What qmgr(8)'s delivery agents say of each message that was taken out of "active", and nothing worse.
GONE = "warning: open active ID: No such file or directory"


@pytest.fixture(scope="module")
def race():
    return in_container("tests.support.postfix_race", str(COUNT), seconds=120 + COUNT // 20)


@pytest.fixture(scope="module")
def scenes():
    found = in_container("tests.support.postfix_scenes", seconds=300)
    assert found["running"]
    return found


def test_nothing_but_the_selection_is_touched_while_mail_flows(race):
    assert race["running"] and race["count"] == COUNT
    assert (race["ham_quarantined"], race["ham_held"], race["ham_wrong"]) == ([], [], [])
    # Nor anything stuck in the queue, once the other side takes all.
    assert race["stuck"] == {}


def test_each_selected_message_was_delivered_before_or_is_in_quarantine(race):
    assert (race["spam_waiting"], race["spam_both"], race["spam_neither"]) == ([], [], [])
    assert race["failures"] == []
    assert race["taken"] + race["spam_delivered"] == COUNT // 2
    # The race took place: while mail came in, and among what Postfix was at work on.
    assert race["passes"] > 5 and race["from_active"] > COUNT // 10 and race["left"]


def test_postfix_goes_on_without_a_fault(race):
    assert race["log"].get(GONE, 0) <= race["from_active"]
    assert [line for line in race["log"] if "fatal" in line or "panic" in line or "error" in line] == []
    assert race["orphaned"] == []


def test_what_is_restored_is_delivered_once(race):
    assert race["restored"] == {"None": race["taken"]}
    assert race["wrong_at_last"] == [] and race["in_quarantine_at_last"] == 0


def test_mail_in_active_is_taken_but_what_is_being_delivered(scenes):
    active = scenes["active"]
    assert (active["taken"], active["left"]) == (10, ["it is being delivered"])
    assert active["innocent delivered"] and active["running"] and active["waiting"] == []
    # Nobody delivered the others behind our back.
    assert active["delivered"] == 1
    assert active["log"] == {GONE: 10}


def test_restored_mail_is_on_hold_until_it_is_released(scenes):
    active = scenes["active"]
    assert active["held"] == 10
    assert active["delivered at last"] == [1] * 11


def test_mail_comes_back_after_its_place_was_given_up(scenes):
    dead = scenes["dead"]
    assert dead["taken"] == 9
    assert dead["reasons"] == ["None"]
    assert dead["delivered"] == [1] * 10


def test_a_stopped_postfix_gets_back_exactly_what_it_had(scenes):
    exact = scenes["exact"]
    assert not exact["running"]
    assert exact["taken"] == 33 and exact["empty"] and exact["reasons"] == ["None"] and exact["same"]
    assert exact["delivered"] == [1]


def test_hash_directories_are_those_of_the_configuration(scenes):
    deep = scenes["deep"]
    assert deep["configuration"] == "/etc/postfix" and deep["place"] == "hold/A/B/ABCDEF1234"
    assert deep["taken"] == 5 and deep["held"] == [3] and deep["delivered"] == [1]


def test_a_copy_is_injected_once_for_all_its_recipients(scenes):
    reinject = scenes["reinject"]
    assert len(reinject["exact"]) == 1 and "method=reinject" in reinject["exact"][0]
    assert (reinject["problems"], reinject["reasons"], reinject["in batch"]) == (["None"], ["None"], 0)
    assert reinject["envelopes"] == [
        ["", "null@sink.test"],
        ["sender@example.com", '"odd, one"@sink.test', "plain@sink.test"],
    ]
    assert reinject["many"] == [1]
    assert reinject["same text"] == [True, True]
    assert reinject["unsure"]
