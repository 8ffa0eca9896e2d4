import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.watch.alarms import (
    conditions,
    due,
    growth,
    missed,
    remember,
    step,
)
from ansible_collections.mailops.rescue.plugins.module_utils.watch.alarms import told as note
from ansible_collections.mailops.rescue.plugins.module_utils.watch.clock import Moment
from ansible_collections.mailops.rescue.plugins.module_utils.watch.queues import Reading
from tests.unit.plugins.module_utils.watch.conftest import SETTINGS


def at(minutes, boot="a"):
    return Moment(1e9 + 60 * minutes, 1000 + 60 * minutes, boot)


def samples(*pairs):
    return [[list(at(minutes)), total] for minutes, total in pairs]


def rate(known, total, minutes=10):
    return growth(known, total, at(minutes), 300, 60)


def test_growth_is_measured_over_the_window():
    assert rate(samples((0, 0), (5, 100), (9, 190)), 200) == 20


def test_the_first_run_knows_no_growth():
    assert rate([], 1000) is None


def test_after_missed_periods_the_last_sample_counts():
    assert rate(samples((0, 0), (1, 100)), 400, 31) == 10


def test_a_gap_of_more_than_a_day_tells_nothing():
    assert rate(samples((0, 0)), 10**6, 60 * 25) is None


def test_a_run_by_hand_right_after_the_last_is_no_flood():
    assert rate(samples((10 - 1 / 60, 0)), 50) is None


def test_a_shrinking_queue_grows_by_less_than_nothing():
    assert rate(samples((5, 100)), 50) == -10


def test_growth_over_a_reboot():
    assert growth(samples((5, 0)), 100, at(10, "b")._replace(up=5), 300, 60) == 20
    assert growth(samples((5, 0)), 100, at(4, "b"), 300, 60) is None


def test_the_history_is_bounded():
    known = []
    for minute in range(1000):
        known = remember(known, minute, at(minute))
    assert len(known) == 200
    assert known[-1][1] == 999


def test_what_no_clock_can_order_is_forgotten():
    assert remember(samples((100, 7)), 8, at(0, "b")) == [[list(at(0, "b")), 8]]


def found(held=(), growth_rate=None, **reading):
    settings = dict(SETTINGS, age=3600, growth=10, bounce_share=50)
    given = Reading(**{"total": 0, "age": None, "notices": None, "error": None, **reading})
    return [one["name"] for one in conditions(settings, given, growth_rate, held)]


@pytest.mark.parametrize(
    ("reading", "names"),
    [
        ({"total": 300}, []),
        ({"total": 301}, ["count"]),
        ({"age": 3600}, []),
        ({"age": 3601}, ["age"]),
        ({"growth_rate": 10.0}, []),
        ({"growth_rate": 10.1}, ["growth"]),
        ({"notices": 50}, []),
        ({"notices": 51, "total": 400}, ["count", "bounces"]),
        ({"error": "no", "total": None}, ["unreadable"]),
    ],
)
def test_thresholds(reading, names):
    assert found(**reading) == names


def test_a_condition_holds_until_it_is_clearly_over():
    assert found(total=241, held=["count"]) == ["count"]
    assert found(total=240, held=["count"]) == []
    assert found(total=241, held=["age"]) == []


def test_what_is_not_asked_for_is_no_condition():
    assert conditions(SETTINGS, Reading(0, 10**9, 100, None), 10.0**9, ()) == []


class Told:
    """Somebody who gets each notice that is due, unless it is `lost`."""

    def __init__(self):
        self.known = {}
        self.alert = None
        self.minute = 0

    def __call__(self, total, later=1, names=("count",), lost=False, boot="a"):
        self.minute += later
        wrong = [{"name": one, "value": None if one == "unreadable" else total, "threshold": 300} for one in names]
        wrong, now, ended = wrong if total else [], at(self.minute, boot), self.alert
        self.alert = step(self.alert, wrong, total, now)
        event = due(self.known, self.alert, wrong, now, 3600)
        if event:
            about = self.alert or ended or {"since": None}
            if lost:
                missed(self.known, event, about["since"], now)
            else:
                note(self.known, event, about["since"], wrong, now)
        return event


def test_one_alert_then_silence_then_a_reminder_then_recovery():
    told = Told()
    assert told(0) is None
    assert told(400) == "alert"
    assert [told(1000 * minute) for minute in range(1, 59)] == [None] * 58
    assert told(500, later=2) == "reminder"
    assert told(500) is None
    assert told(0) == "recovery"
    assert told(0) is None


def test_soon_after_a_recovery_only_what_is_worse_is_told():
    told = Told()
    assert [told(400), told(0), told(410), told(0)] == ["alert", "recovery", None, None]
    assert told(800) == "alert"


def test_what_was_held_back_is_told_when_the_cool_down_is_over():
    told = Told()
    assert [told(400), told(0), told(410)] == ["alert", "recovery", None]
    assert told(410, later=60) == "alert"


def test_another_kind_of_trouble_is_told_at_once_after_a_recovery():
    told = Told()
    assert [told(400), told(0)] == ["alert", "recovery"]
    assert told(10, names=["age"]) == "alert"


def test_a_queue_that_becomes_unreadable_is_told_at_once():
    told = Told()
    assert told(400) == "alert"
    assert told(1, names=["unreadable"]) == "reminder"
    assert told(1, names=["unreadable"]) is None


def test_what_got_lost_is_due_until_it_is_told():
    told = Told()
    assert [told(400, lost=True), told(400, lost=True), told(0, lost=True)] == ["alert", "alert", "recovery"]
    assert [told(450), told(450)] == ["alert", None]
    assert [told(0), told(0)] == ["recovery", None]


def test_an_alert_that_got_lost_soon_after_a_recovery_is_due_though_less_is_left_of_it():
    told = Told()
    assert [told(400), told(0), told(800, lost=True), told(500)] == ["alert", "recovery", "alert", "alert"]


def test_a_recovery_that_got_lost_is_due_again():
    told = Told()
    assert [told(400), told(0, lost=True), told(0), told(0)] == ["alert", "recovery", "recovery", None]


def test_a_lost_recovery_is_not_due_while_there_is_an_alert():
    told = Told()
    assert [told(400), told(0, lost=True), told(410), told(410)] == ["alert", "recovery", None, None]
    assert [told(410, later=60), told(410, later=60), told(0)] == ["alert", "reminder", "recovery"]


def test_peak_and_beginning_are_kept():
    told = Told()
    for total in (400, 9000, 500):
        told(total)
    assert told.alert["peak"] == 9000
    assert told.alert["since"] == list(at(1))


def test_a_clock_set_back_over_a_reboot_does_not_silence():
    told = Told()
    told(400)
    assert told(400, later=-500, boot="b") == "reminder"
