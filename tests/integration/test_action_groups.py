"""Action groups: module_defaults set an option once for all modules that share it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.qmail_queue import QmailQueue

ROOT = Path(__file__).resolve().parents[2]
GROUPS = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["action_groups"]
SHARED = {
    "queue": {"mta", "queue_directory", "config_directory"},
    "quarantine": {"quarantine"},
    "qmail_service": {"supervisor", "service", "stop_timeout", "on_timeout", "start_timeout"},
    "qmail": {"home"},
    "postfix": {"config_directory"},
    "show": {"width"},
}
PLAY = """\
- hosts: localhost
  gather_facts: false
  module_defaults:
    group/mailops.rescue.queue:
      mta: qmail
      queue_directory: {queue}
    group/mailops.rescue.quarantine:
      quarantine: {quarantine}
  tasks:
    - mailops.rescue.queue_purge:
        all: true
    - mailops.rescue.quarantine_info:
      register: taken
    - ansible.builtin.assert:
        that:
          - taken.quarantines == ["{quarantine}"]
          - taken.counts.total == 1
"""


@pytest.fixture(scope="module")
def options():
    """The names of the options of each module of a group, as ansible-doc shows them."""
    names = sorted({"mailops.rescue." + name for members in GROUPS.values() for name in members})
    program = Path(sys.executable).with_name("ansible-doc")
    made = subprocess.run([program, "-j", *names], cwd=ROOT, capture_output=True, text=True, check=True)
    return {name.rpartition(".")[2]: set(page["doc"]["options"]) for name, page in json.loads(made.stdout).items()}


def test_a_group_holds_the_modules_that_have_all_its_options(options):
    assert set(GROUPS) == set(SHARED)
    for group, shared in SHARED.items():
        assert {name for name in GROUPS[group] if not shared <= options[name]} == set(), group


def test_defaults_of_groups_reach_their_modules(play):
    queue = QmailQueue(play.directory / "queue")
    queue.add(b"Subject: hello\n\nbody\n", b"a@example.com", remote=[b"b@example.net"])
    quarantine = play.directory / "taken"
    (play.directory / "play.yml").write_text(PLAY.format(queue=queue.path, quarantine=quarantine))
    made = play("play.yml", {"control": {"localhost": {}}})
    assert made.status == 0, made.text
