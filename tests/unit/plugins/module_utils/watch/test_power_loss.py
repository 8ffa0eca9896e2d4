"""Power lost while the watch is installed, changed or taken away, and while it runs."""

import json
import os
import shutil

import pytest

from tests.support.power_loss import losses
from tests.unit.plugins.module_utils.watch.conftest import Watched
from tests.unit.plugins.module_utils.watch.test_queue_watch import Host, host, manage, tree  # noqa: F401

STEP = 1 if os.environ.get("RESCUE_FAULTS") == "all" else 5
CRITICAL = 2


def _files(host):  # noqa: F811
    return {path: data for path, data in tree(host).items() if data is not None}


@pytest.mark.parametrize("after", ["present", "absent"])
@pytest.mark.parametrize(
    "before, options",
    [(None, {}), ({}, {"threshold": 7}), ({}, {"state": "absent"}), ({}, {"scheduler": "cron"})],
)
def test_power_lost_while_it_is_installed(host, tmp_path, before, options, after):  # noqa: F811
    root = str(tmp_path / "root")
    shutil.copytree(root, str(tmp_path / "bare"))
    bare = tree(host)

    def prepare():
        shutil.rmtree(root)
        shutil.copytree(str(tmp_path / "bare"), root)
        made = Host(root)
        if before is not None:
            manage(made, **before)
        made.directory = root
        return made

    def run(made):
        manage(made, **options)

    made = prepare()
    old = _files(made)
    run(made)
    new = _files(made)
    assert old != new

    def verify(made, loss):
        for path, data in _files(made).items():
            # Nothing reads what is half made.
            assert path.endswith(".new") or data in (old.get(path), new.get(path)), (loss, path)
        if after == "present":
            run(made)
            assert _files(made) == new, loss
            assert not manage(made, **options)["changed"], loss
        manage(made, state="absent")
        assert tree(made) == bare, loss

    assert losses(prepare, run, verify, STEP) > 6 // STEP


class Run(Watched):
    """A watch whose last run saw a full queue, or the one before; it notes on another disk what was told."""

    def __init__(self, path, monkeypatch, log):
        super().__init__(path, monkeypatch)
        self.log = log
        self.directory = self.state

    def _send(self, name, made, settings):
        with open(str(self.log), "a") as file:
            file.write(made["event"] + "\n")

    def told(self):
        return self.log.read_text().split() if self.log.exists() else []


@pytest.mark.parametrize("textfile", [None, "/metrics"])
def test_power_lost_while_it_runs(tmp_path, monkeypatch, textfile):
    path, log = tmp_path / "watch", tmp_path / "log"

    def prepare():
        shutil.rmtree(str(path), ignore_errors=True)
        path.mkdir()
        log.unlink(missing_ok=True)
        watched = Run(path, monkeypatch, log)
        watched.settings["textfile_directory"] = textfile
        watched.run()
        watched.add(6)
        watched.before = {one.name: one.read_bytes() for one in watched.state.iterdir()}
        return watched

    def verify(watched, loss):
        shutil.rmtree(str(watched.runtime))
        watched.runtime.mkdir()
        for one in watched.state.iterdir():
            data = one.read_bytes()
            if one.name == "history.json":
                assert json.loads(data.decode())["number"] >= 1, loss
            elif one.name == "queue_watch.prom":
                assert data.endswith(b"\n"), loss
        told = watched.told()
        watched.boot = "two"
        assert watched.run() == CRITICAL, loss
        # An alert may be told again where it is not known that it was; none is lost.
        assert watched.told() in (["alert"], ["alert", "alert"]), (loss, told)
        watched.run()
        watched.empty()
        assert watched.run() == 0, loss
        assert watched.told()[-1] == "recovery" and watched.told().count("recovery") == 1, loss

    assert losses(prepare, Run.run, verify, STEP) > 12 // STEP
