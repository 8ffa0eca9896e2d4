"""Power lost while a catch-all changes or is put back: each is the old or the new one, and the next run ends it."""

import pytest

from tests.support.power_loss import losses
from tests.unit.plugins.module_utils.qmail.hardening.test_qmail_catchall_faults import (  # noqa: F401
    RUNS,
    STEP,
    checked,
    new,
    prepared,
    run,
)


@pytest.mark.parametrize("after", ["present", "absent"])
@pytest.mark.parametrize("before, state", RUNS)
def test_power_lost_while_it_changes(tmp_path, new, before, state, after):  # noqa: F811
    def prepare():
        home = prepared(tmp_path, *before)
        home.directory = home.path
        return home

    count = losses(prepare, lambda home: run(home, state), checked(new, after, state), STEP)
    assert count > 3 // STEP
