#!/usr/bin/env python
"""Which unit tests mirror which files: tests/unit/plugins/ROOM/test_NAME*.py is about plugins/ROOM/NAME.py.

An engine's tests may also be those of its module. What has no test of its name stands in tests/unit/mirrors.yml. With
--changed, prints the tests of what differs from main (or from the commit before, on main itself), less those that try
every call of the disk.
"""

import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
SLOW = ("_faults.py", "_power_loss.py", "_interrupted.py", "test_state_machine.py", "test_cut_off.py", "test_run.py")


def mirrors(path):
    """Return the test files, relative to the root, that are about a file of plugins/."""
    return by_name(path) or listed().get(path, [])


def listed():
    """Return {path: test files} of what has no test of its name."""
    return yaml.safe_load((ROOT / "tests" / "unit" / "mirrors.yml").read_text("utf-8")) or {}


def by_name(path):
    """Return the test files, relative to the root, that have the name of a file of plugins/."""
    path = Path(path)
    found = _named(path.stem, path.parent)
    if path.parent.name == "engines" or path.parts[2] in ("qmail", "postfix"):
        found += _named(path.stem, Path("plugins/modules"), path.parent)
    return found


def _named(stem, room, siblings=None):
    folder = ROOT / "tests" / "unit" / room
    exact = folder / ("test_%s.py" % stem)
    found = [exact] if exact.exists() else []
    longer = {other.stem for other in (ROOT / (siblings or room)).glob("%s_*.py" % stem)}
    for test in sorted(folder.glob("test_%s_*.py" % stem)):
        # test_queue_repair.py is not about queue.py.
        if not any(test.stem[len("test_") :].startswith(name) for name in longer):
            found.append(test)
    return [test.relative_to(ROOT).as_posix() for test in found]


def changed():
    """Return the paths that differ from main, and what is not committed."""

    def lines(*command):
        done = subprocess.run(["git", *command], cwd=ROOT, capture_output=True, text=True, check=False)
        return done.stdout.splitlines() if done.returncode == 0 else []

    base = (lines("merge-base", "HEAD", "main") or [""])[0]
    if base == (lines("rev-parse", "HEAD") or [None])[0]:
        base = "HEAD~1"
    return sorted({*lines("diff", "--name-only", base), *lines("ls-files", "--others", "--exclude-standard")})


def main():
    tests = set()
    for path in changed():
        if not path.endswith(".py") or not (ROOT / path).exists():
            continue
        if path.startswith("plugins/"):
            tests.update(mirrors(path))
        elif path.startswith("tests/unit/") and Path(path).name.startswith("test_"):
            tests.add(path)
    print("\n".join(sorted(test for test in tests if not test.endswith(SLOW))))
    return 0


if __name__ == "__main__":
    if sys.argv[1:] != ["--changed"]:
        sys.exit("usage: mirrors.py --changed")
    sys.exit(main())
