"""quarantine_info and quarantine_prune as Ansible runs them: options as JSON in, one JSON document out."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.documents import documents
from tests.support.qmail_queue import QmailQueue
from tests.support.quarantined import make_batch

ROOT = Path(__file__).resolve().parents[4]
MODULES = ROOT / "plugins" / "modules"


def run(name, **options):
    """Return (exit status, result) of the module."""
    done = subprocess.run(
        [sys.executable, str(MODULES / (name + ".py"))],
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
def batch(tmp_path):
    queue = QmailQueue(tmp_path / "queue", split=3)
    for number in range(3):
        queue.add("Subject: s%d\n\nbody\n" % number, "a@example.com", remote=["b@example.net"])
    path = make_batch(queue.path)
    (tmp_path / "queue.quarantine" / "20200101T000000Z-0000").mkdir()
    (tmp_path / "queue.quarantine" / "20200101T000000Z-0000" / "stray").write_text("x")
    return path


def keys(documented):
    return set(documented["contains"])


def test_info_returns_what_is_documented(batch, tmp_path):
    os.truncate(next((tmp_path / "queue.quarantine").glob("*/files/mess/*/*")), 0)
    status, result = run(
        "quarantine_info", queue_directory=str(tmp_path / "queue"), batch="latest", content="message", verify=True
    )
    assert status == 0
    returned = documents("quarantine_info")["RETURN"]
    assert set(result) - {"invocation", "changed"} == set(returned)
    for name in ("counts", "oldest", "newest"):
        assert set(result[name]) == keys(returned.get(name) if name != "newest" else returned["oldest"])
    for name in ("batches", "messages", "unreadable", "corrupt"):
        assert result[name]
        assert set(result[name][0]) == keys(returned[name])
    shown = returned["messages"]["contains"]["recipients"]["contains"]
    assert set(result["messages"][0]["recipients"][0]) == set(shown)
    assert result["changed"] is False
    assert result["batches"][0]["path"] == batch


def test_prune_returns_what_is_documented(batch, tmp_path):
    name = os.path.basename(batch)
    queue = str(tmp_path / "queue")
    status, result = run("quarantine_prune", queue_directory=queue, batch=name, _ansible_check_mode=True)
    returned = documents("quarantine_prune")["RETURN"]
    assert status == 0 and result["changed"] is True
    assert set(result) - {"invocation", "changed"} == set(returned)
    for one in ("pruned", "left"):
        assert set(result[one][0]) == keys(returned[one])
    assert os.path.exists(batch)
    status, result = run("quarantine_prune", queue_directory=str(tmp_path / "queue"), batch=[name])
    assert status == 0 and result["messages"] == 3
    assert not os.path.exists(batch)


def test_prune_refuses_in_one_sentence(tmp_path, batch):
    status, result = run("quarantine_prune", queue_directory=str(tmp_path / "queue"))
    assert status == 1 and result["failed"] is True
    assert result["msg"].startswith("batch: expected which batches to remove")
    assert os.path.exists(batch)


@pytest.mark.parametrize("name", ["quarantine_info", "quarantine_prune"])
def test_options_are_documented(name):
    _status, result = run(name, no_such_option=1)
    accepted = set(result["msg"].split("Supported parameters include: ")[1].rstrip(".").split(", "))
    documented = set(documents(name)["DOCUMENTATION"]["options"])
    assert {one.split(" ")[0] for one in accepted} == documented
