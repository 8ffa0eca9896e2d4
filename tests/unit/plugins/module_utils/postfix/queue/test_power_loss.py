"""Power lost at any call that changes the disk: no message is lost or doubled."""

import os

from tests.support.postfix_purge import put_in_order, restore
from tests.support.power_loss import losses
from tests.unit.plugins.module_utils.postfix.queue.test_purge_faults import (  # noqa: F401
    SPAM,
    _cases,
    _whole,
    folder,
    purge,
)

STEP = 1 if os.environ.get("RESCUE_FAULTS") == "all" else 17


def _prepared(folder, taken=False):  # noqa: F811
    make = _cases(folder, taken)

    def prepare():
        case = make()
        case.directory = folder
        return case

    return prepare


def test_power_lost_while_it_purges(folder):  # noqa: F811
    assert losses(_prepared(folder), lambda case: purge(case.path, SPAM), _whole, STEP) > 30 // STEP


def test_power_lost_while_it_restores(folder):  # noqa: F811
    def verify(case, loss):
        _whole(case, loss)
        restore(case.path)
        put_in_order(case.path)
        _whole(case, loss)

    prepare = _prepared(folder, taken=True)
    assert losses(prepare, lambda case: restore(case.path), verify, STEP) > 20 // STEP
