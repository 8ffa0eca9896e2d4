"""Each file of plugins/ has its tests, where scripts/mirrors.py says: `make check` runs these when it changes."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Documentation of an action, or a few lines in front of an engine.
WITHOUT = ("plugins/modules/", "plugins/doc_fragments/")


@pytest.fixture(scope="module")
def mirrors():
    specification = importlib.util.spec_from_file_location("mirrors", ROOT / "scripts" / "mirrors.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def sources():
    for path in sorted((ROOT / "plugins").rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if path.name != "__init__.py" and not name.startswith(WITHOUT):
            yield name


def test_every_file_has_its_tests(mirrors):
    assert [name for name in sources() if not mirrors.mirrors(name)] == []


def test_the_list_is_of_files_without_a_test_of_their_name(mirrors):
    names = set(sources())
    for name, tests in mirrors.listed().items():
        assert name in names, "%s is not there" % name
        assert not mirrors.by_name(name), "%s has tests of its name" % name
        for test in tests:
            assert (ROOT / test).is_file(), test


def test_names(mirrors):
    assert mirrors.mirrors("plugins/module_utils/scan/scan.py") == ["tests/unit/plugins/module_utils/scan/test_scan.py"]
    repair = mirrors.by_name("plugins/module_utils/qmail/queue/repair.py")
    assert "tests/unit/plugins/module_utils/qmail/queue/test_repair_faults.py" in repair
    assert "tests/unit/plugins/module_utils/qmail/queue/test_repair_split.py" not in repair
    assert mirrors.by_name("plugins/module_utils/scan/nothing.py") == []
