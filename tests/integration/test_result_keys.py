"""No key of a result is one that Ansible takes for its own: a list under "skipped" makes a skipped task of it."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.qmail_queue import QmailQueue

ROOT = Path(__file__).resolve().parents[2]


def test_undecided_messages_skip_no_task(tmp_path):
    queue = QmailQueue(tmp_path / "queue")
    queue.add(b"Subject: slow\n\n" + b"x" * 60 + b"\n", b"a@example.com", remote=[b"b@example.com"])
    arguments = {"queue_directory": str(queue.path), "select": {"body": "(x+x+)+y"}, "timeout_per_message": 0.1}
    environment = dict(
        os.environ,
        ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"),
        ANSIBLE_LOAD_CALLBACK_PLUGINS="1",
        ANSIBLE_STDOUT_CALLBACK="ansible.builtin.minimal",
        ANSIBLE_NOCOLOR="1",
    )
    program = Path(sys.executable).with_name("ansible")
    done = subprocess.run(
        [
            program,
            "localhost",
            "-i",
            "localhost,",
            "-c",
            "local",
            "-e",
            "ansible_python_interpreter=" + sys.executable,
            "-m",
            "mailops.rescue.queue_info",
            "-a",
            json.dumps(arguments),
        ],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    head, _, body = done.stdout.partition("=> ")
    assert head.strip() == "localhost | SUCCESS"
    result = json.loads(body)
    assert result["undecided_count"] == 1
    assert result["undecided"][0]["reason"] == "select.body: '(x+x+)+y' took too long"


# What Ansible reads in each result by itself; the newer it is, the more strictly.
TAKEN = {
    "attempts",
    "changed",
    "deprecations",
    "exception",
    "failed",
    "finished",
    "invocation",
    "item",
    "results",
    "retries",
    "skip_reason",
    "skipped",
    "skipped_reason",
    "started",
    "unreachable",
    "warnings",
}


@pytest.mark.parametrize("path", sorted((ROOT / "plugins" / "modules").glob("*.py")), ids=lambda path: path.stem)
def test_no_result_has_a_key_of_ansibles_own(path):
    module = importlib.import_module("ansible_collections.mailops.rescue.plugins.modules." + path.stem)
    keys = set(yaml.safe_load(module.RETURN))
    assert keys and not keys & TAKEN and not [key for key in keys if key.startswith(("ansible_", "_"))]
