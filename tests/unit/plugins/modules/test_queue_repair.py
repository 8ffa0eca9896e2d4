"""The module as Ansible runs it."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.documents import documents
from tests.support.postfix_queue import PostfixQueue
from tests.support.qmail_queue import QmailQueue
from tests.support.repairing import with_owners

ROOT = Path(__file__).resolve().parents[4]
MODULE = ROOT / "plugins" / "modules" / "queue_repair.py"


def run(**options):
    """Return (exit status, result) of the module."""
    done = subprocess.run(
        [sys.executable, str(MODULE)],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": options}).encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd="/",
        timeout=120,
        check=False,
        env=dict(os.environ, PYTHONPATH=str(ROOT)),
    )
    assert done.stdout, done.stderr.decode()
    return done.returncode, json.loads(done.stdout)


@pytest.fixture
def queue(tmp_path):
    queue = QmailQueue(tmp_path / "queue", split=3, owners=with_owners())
    (tmp_path / "queue" / "mess" / "1" / "core").write_bytes(b"core")
    (tmp_path / "queue" / "mess" / "2" / "backup").mkdir()
    return queue


def test_result_has_what_is_documented(queue):
    documented = documents("queue_repair")
    status, result = run(queue_directory=queue.path)
    assert status == 0, result
    returned = documented["RETURN"]
    assert set(result) - {"invocation", "changed"} == set(returned)
    for name in ("faults", "left", "batches", "queues", "service"):
        contained = set(returned[name]["contains"])
        assert set(result[name][0]) == contained, name
        assert set(returned[name]["sample"][0]) == contained, name
    given = result["invocation"]["module_args"]
    assert set(given) == set(documented["DOCUMENTATION"]["options"])
    for task in documented["EXAMPLES"]:
        assert set(task["mailops.rescue.queue_repair"] or {}) <= set(given)


def test_check_mode_foresees_the_run(queue):
    names = ("changed", "faults", "fault_counts", "fault_count", "repaired", "quarantined", "left_count", "notes")
    status, foreseen = run(queue_directory=queue.path, _ansible_check_mode=True)
    assert status == 0, foreseen
    assert os.path.exists(queue.path + "/mess/1/core")
    status, result = run(queue_directory=queue.path)
    assert {name: foreseen[name] for name in names} == {name: result[name] for name in names}
    assert (result["changed"], result["quarantined"], result["left_count"]) == (True, 1, 1)
    assert not os.path.exists(queue.path + "/mess/1/core")
    assert run(queue_directory=queue.path)[1]["changed"] is False


def test_kinds_and_repairs_are_documented():
    """Each word that the engine uses stands in the documentation."""
    contained = documents("queue_repair")["RETURN"]["faults"]["contains"]
    kinds, repairs = set(), set()
    for path in (ROOT / "plugins" / "module_utils").glob("*/queue/repair*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Fault":
                for found, value in ((kinds, node.args[0]), (repairs, node.args[3])):
                    if isinstance(value, ast.Constant):
                        found.add(value.value)
    assert len(kinds) > 10
    for kind in kinds:
        assert "V(%s)" % kind in "".join(contained["kind"]["description"])
    for repair in repairs:
        assert "V(%s)" % repair in contained["repair"]["description"]


def test_postfix(tmp_path):
    queue = PostfixQueue(tmp_path / "spool")
    path = tmp_path / "spool" / "trace" / "ABCDE12345"
    path.write_bytes(b"x")
    os.utime(str(path), (1700000000, 1700000000))
    status, result = run(queue_directory=queue.path)
    assert (status, result["mta"], result["fault_counts"], result["service"]) == (0, "postfix", {"orphan": 1}, [])
    assert not path.exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"split": 0}, "split: expected 1 to 99999, got 0."),
        ({"queue_directory": "/absent"}, "queue_directory: /absent: No such file or directory."),
        ({"select": {}}, "Unsupported parameters for"),
    ],
)
def test_refusals_are_sentences(queue, options, sentence):
    status, result = run(**dict({"queue_directory": queue.path}, **options))
    assert (status, result["failed"]) == (1, True)
    assert sentence in result["msg"]
    assert "Traceback" not in json.dumps(result)
