"""Power lost at any call that changes the disk, with qmail-send stopped: nothing is lost, nothing is doubled."""

import os
import shutil

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from tests.support.power_loss import losses
from tests.support.purging import snapshot, whole
from tests.unit.plugins.module_utils.qmail.queue.test_purge_faults import State

STEP = 1 if os.environ.get("RESCUE_FAULTS") == "all" else 37


@pytest.fixture
def states():
    made = []

    def make():
        while made:
            shutil.rmtree(str(made.pop().directory))
        made.append(State())
        return made[-1]

    yield make
    while made:
        shutil.rmtree(str(made.pop().directory))


def _shape(files):
    """Leave out when files were read last: that is not the engine's doing alone."""
    return {path: what[:6] + what[7:] for path, what in files.items()}


def test_power_lost_while_it_purges_then_run_again(states):
    def verify(state, loss):
        state.purge()
        assert whole(state.queue.path) == state.messages, loss
        assert state.in_queue() == set(state.other), loss

    assert losses(states, State.purge, verify, STEP) > 60 // STEP


def test_power_lost_while_it_purges_then_undone(states):
    def verify(state, loss):
        state.purge()
        try:
            state.restore()
            state.restore()
        except RescueError as error:
            assert "no batches" in str(error), loss
        assert whole(state.queue.path) == state.messages, loss

    assert losses(states, State.purge, verify, STEP) > 60 // STEP


def test_power_lost_while_it_restores_then_run_again(states):
    def prepare():
        state = states()
        state.purge()
        return state

    def verify(state, loss):
        state.restore()
        assert _shape(snapshot(state.queue.path)) == _shape(state.files), loss
        assert whole(state.queue.path) == state.messages, loss

    assert losses(prepare, State.restore, verify, STEP) > 40 // STEP
