"""What tests of several layers share."""

import os
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))


@pytest.fixture
def public_path():
    """A directory that other users may enter, unlike tmp_path."""
    path = tempfile.mkdtemp(prefix="rescue-test-")
    os.chmod(path, 0o755)
    yield Path(path)
    shutil.rmtree(path)


# By the processes that share the tests.
_tried = Counter()


def _points():
    """Return how many points of tests/support/faults.py were tried; None where no test did."""
    faults = sys.modules.get("tests.support.faults")
    found = Counter(faults.tried if faults is not None else {}) + _tried
    return {name: found[name] for name in ("kill", "fail", "loss")} if found else None


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    _tried.update(getattr(node, "workeroutput", {}).get("tried") or {})


def pytest_sessionfinish(session, exitstatus):
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["tried"] = _points()
        return
    least = int(os.environ.get("RESCUE_KILL_POINTS", "0"))
    if exitstatus == 0 and least and (_points() or {"kill": 0})["kill"] < least:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter):
    points, least = _points(), int(os.environ.get("RESCUE_KILL_POINTS", "0"))
    if points is not None or least:
        found = points or {"kill": 0, "fail": 0, "loss": 0}
        terminalreporter.section("faults")
        terminalreporter.write_line("%(kill)d kill points and %(fail)d failure points were tried" % found)
        if found["loss"]:
            terminalreporter.write_line("%(loss)d states after a loss of power were tried" % found)
        if found["kill"] < least:
            terminalreporter.write_line("FAILED: at least %d kill points were expected" % least)
