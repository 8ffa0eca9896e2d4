import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.watch.clock import Moment, duration, elapsed, now


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("1min", 60), ("5m", 300), ("4h", 14400), ("2d", 172800)])
def test_durations(text, seconds):
    assert duration("interval", text) == seconds


@pytest.mark.parametrize("text", ["", "4", "0s", "often", "-1h", "4 hours", "1e3s", "4h\n"])
def test_bad_durations(text):
    with pytest.raises(RescueError, match="^interval: expected a time such as"):
        duration("interval", text)


def test_a_clock_that_is_set_back_changes_nothing():
    assert elapsed(Moment(1000, 50, "a"), Moment(5, 110, "a")) == 60


def test_over_a_reboot_the_wall_clock_tells():
    assert elapsed(Moment(1000, 5000, "a"), Moment(1100, 20, "b")) == 100


def test_a_clock_that_went_back_over_a_reboot_tells_nothing():
    assert elapsed(Moment(1000, 5000, "a"), Moment(900, 20, "b")) is None


def test_now():
    first, second = now(), now()
    assert first.boot == second.boot
    assert second.up >= first.up > 0
