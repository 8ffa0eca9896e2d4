"""Power lost while main.cf, master.cf and aliases change: each is whole, and the next run ends or undoes it."""

import os
import shutil
import tempfile

import pytest

from tests.support.configured import Configuration, double
from tests.support.power_loss import losses
from tests.unit.plugins.module_utils.postfix.config.test_postfix_config import _steps, _whole, finish, runs

STEP = 1 if os.environ.get("RESCUE_FAULTS") == "all" else 29


@pytest.mark.parametrize("then", ["again", "absent"])
@pytest.mark.parametrize("run", ["first", "switch", "back", "absent"])
def test_power_lost_while_it_configures(monkeypatch, tmp_path, tmp_path_factory, run, then):
    double(monkeypatch, tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("scratch")))

    def make():
        for name in os.listdir(str(tmp_path)):
            shutil.rmtree(str(tmp_path / name))
        (tmp_path / "postfix").mkdir()
        one = Configuration(tmp_path / "postfix")
        one.directory = tmp_path
        return one

    steps = _steps(make)
    first, options, expected = runs(*steps)[run]

    def prepare():
        one = make()
        for each in first:
            one.configure(**each)
        return one

    def verify(one, loss):
        _whole(one, loss, steps)
        one.boot()
        finish(one, loss, options if then == "again" else None, expected, steps[0])

    assert losses(prepare, lambda one: one.configure(**options), verify, STEP) > 30 // STEP
