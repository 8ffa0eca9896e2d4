"""`make test-faults` says how many points were tried, and fails where they are fewer than expected."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
FILE = "tests/unit/support/test_faults.py"


def run(*arguments, **environment):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ, **environment),
    )
    return done.returncode, done.stdout


# mkdir, open, write, fchmod, fsync: each before and after.
@pytest.mark.parametrize(("least", "status"), [("", 0), ("10", 0), ("11", 1)])
def test_points_are_counted(least, status):
    found, output = run(FILE + "::test_killed_before_and_after_every_call", RESCUE_KILL_POINTS=least or "0")
    assert "10 kill points and 0 failure points were tried" in output
    assert found == status
    assert ("FAILED: at least 11 kill points were expected" in output) == (status == 1)


def test_failures_are_counted():
    assert "0 kill points and 6 failure points were tried" in run(FILE + "::test_every_call_fails_in_every_way")[1]


def test_nothing_is_said_where_no_point_was_tried():
    assert "kill points" not in run("tests/unit/plugins/module_utils/test_text.py")[1]
