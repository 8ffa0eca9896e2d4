"""The playbook repair, run as an operator runs it, on a copy of a queue."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.qmail_queue import QmailQueue
from tests.support.repairing import contents, snapshot, with_owners

ROOT = Path(__file__).resolve().parents[2]
PLAYER = Path(sys.executable).with_name("ansible-playbook")


@pytest.fixture
def queue(tmp_path):
    queue = QmailQueue(tmp_path / "queue", split=3, owners=with_owners())
    number = queue.add("Subject: {{ 6 * 7 }}\n\nx\n", b"a@example.com", remote=[b"r@example.net"])
    for name in ("mess", "info", "remote"):
        path = tmp_path / "queue" / name / str(number % 3) / str(number)
        path.rename(path.with_name(str(number + 3 * 10**9)))
    (tmp_path / "queue" / "mess" / "1" / "{{ 6 * 7 }}").write_bytes(b"x")
    return queue


def play(queue, *arguments):
    done = subprocess.run(
        [
            str(PLAYER),
            "-i",
            "copy,",
            "playbooks/repair.yml",
            "-e",
            "ansible_connection=local",
            "-e",
            "ansible_python_interpreter=" + sys.executable,
            "-e",
            "mailops_become=false",
            "-e",
            "mailops_queue_directory=" + queue.path,
            *arguments,
        ],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=300,
        check=False,
        env=dict(os.environ, ANSIBLE_NOCOLOR="1", ANSIBLE_FORCE_COLOR="0"),
    )
    return done.returncode, done.stdout.decode()


def test_named_then_repaired_then_nothing(queue):
    before = snapshot(queue.path)
    status, text = play(queue, "--check")
    assert status == 0, text
    assert "2 faults: 1 to be repaired, 1 to be quarantined, 0 to be left" in text
    # What a stranger has named is shown as it is.
    assert "stray | mess/1/{{ 6 * 7 }} | not a queue id | quarantine" in text
    assert snapshot(queue.path) == before
    # Nobody can answer: then nothing is done, and that is told.
    status, text = play(queue)
    assert (status, snapshot(queue.path) == before) == (2, True), text
    kept = contents(queue.path)
    status, text = play(queue, "-e", "confirm=false")
    assert status == 0, text
    assert "1 repaired, 1 quarantined, 0 left" in text
    assert contents(queue.path) == kept
    status, text = play(queue, "-e", "confirm=false")
    assert status == 0, text
    assert "0 faults: 0 to be repaired" in text
    assert "changed=0" in text


def test_a_host_that_fails_is_told_at_the_end(queue):
    status, text = play(queue, "-e", "split=0", "-e", "confirm=false")
    assert status == 2
    assert text.count("split: expected 1 to 99999, got 0.") >= 2
