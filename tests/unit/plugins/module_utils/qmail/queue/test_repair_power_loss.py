"""Power lost at any call of a repair, one with a new split among them: the host comes up with each message once."""

import pytest

from tests.support.power_loss import losses
from tests.unit.plugins.module_utils.qmail.queue.test_repair_interrupted import ALL, CASES, State, run, verify


@pytest.mark.parametrize(("seed", "split"), CASES, ids=lambda one: getattr(one, "__name__", str(one)))
def test_power_lost_while_it_repairs(tmp_path, seed, split):
    def prepare():
        state = State(tmp_path / "state", seed, split)
        state.directory = tmp_path / "state"
        return state

    step = 1 if ALL else 23
    assert losses(prepare, run, verify, step) > 40 // step
