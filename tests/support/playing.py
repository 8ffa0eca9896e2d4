"""Run playbooks as an operator does, on queues that are copies."""

from __future__ import annotations

import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import yaml

__all__ = ["NOTHING_LISTENS", "PLAYER", "Run", "at", "playbook_text", "player"]

ROOT = Path(__file__).resolve().parents[2]
PLAYER = Path(sys.executable).with_name("ansible-playbook")
NOTHING_LISTENS = {
    "ansible_connection": "ansible.builtin.ssh",
    "ansible_host": "127.0.0.1",
    "ansible_port": 1,
}


class Run:
    def __init__(self, finished, directory):
        self.status = finished.returncode
        self.text = finished.stdout + finished.stderr
        self.stdout = finished.stdout
        self.directory = directory

    def commands(self):
        return [line.strip() for line in self.stdout.splitlines() if line.strip().startswith("ansible-playbook ")]


def player(tmp_path):
    """Return what runs playbook `name` over `hosts`, {group: {host: variables}}, in an own directory, as a Run."""
    (tmp_path / "ansible_collections" / "mailops").mkdir(parents=True)
    (tmp_path / "ansible_collections" / "mailops" / "rescue").symlink_to(ROOT)

    def write(hosts):
        everywhere = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "mailops_become": False,
        }
        children = {group: {"hosts": members} for group, members in hosts.items()}
        inventory = tmp_path / "hosts.yml"
        inventory.write_text(yaml.safe_dump({"all": {"vars": everywhere, "children": children}}))

    def play(name, hosts, *arguments, **environment):
        write(hosts)
        return run([str(PLAYER), name, "-i", "hosts.yml", *arguments], **environment)

    def run(words, **environment):
        # Pipelining as in our ansible.cfg; a test may want it otherwise.
        settings = dict(
            os.environ,
            ANSIBLE_COLLECTIONS_PATH=str(tmp_path),
            ANSIBLE_FORCE_COLOR="0",
            _ANSIBLE_TEMPLAR_UNTRUSTED_TEMPLATE_BEHAVIOR="error",
            **{"ANSIBLE_PIPELINING": "1", **environment},
        )
        settings.pop("ANSIBLE_CONFIG", None)
        finished = subprocess.run(
            words, cwd=tmp_path, env=settings, capture_output=True, text=True, timeout=300, check=False
        )
        made = Run(finished, tmp_path)
        strange = {char for char in made.text if unicodedata.category(char) in ("Cc", "Cf")} - set("\n\r\t")
        assert not strange
        assert not list(tmp_path.rglob("canary"))
        return made

    play.run, play.hosts, play.directory = run, write, tmp_path
    return play


def playbook_text(name):
    """The text of a playbook, with what it uses of `vars/host.yml`."""
    text = (ROOT / "playbooks" / (name + ".yml")).read_text(encoding="utf-8")
    shared = yaml.safe_load((ROOT / "playbooks" / "vars" / "host.yml").read_text(encoding="utf-8"))
    used = ["%s: %s" % (variable, value) for variable, value in shared.items() if "{{ %s }}" % variable in text]
    return "\n".join([text, *used])


def at(directory, **variables):
    """Variables of a host whose queue is at `directory`."""
    return {"mailops_queue_directory": str(directory), **variables}
