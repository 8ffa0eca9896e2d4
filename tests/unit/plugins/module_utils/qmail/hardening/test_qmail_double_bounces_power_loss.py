"""Power lost while double bounces are led elsewhere, or back: they always have somewhere to go."""

import pytest

from tests.support.power_loss import losses
from tests.unit.plugins.module_utils.qmail.hardening.test_qmail_double_bounces import (
    RUNS,
    STEP,
    _prepared,
    _running,
    _verify,
    run,
)


@pytest.mark.parametrize("after", ["present", "absent"])
@pytest.mark.parametrize("state", RUNS)
def test_power_lost_while_it_changes(tmp_path, state, after):
    def prepare():
        home = _prepared(tmp_path, state)
        home.directory = home.path
        return home

    count = losses(prepare, lambda home: run(home, state=state, running=_running), _verify(after), STEP)
    assert count >= 12 // STEP
