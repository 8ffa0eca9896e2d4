"""The box of commands at the top of README.md, typed as it stands."""

from __future__ import annotations

import re
import subprocess
import tarfile
from pathlib import Path

import pytest
import yaml

from tests.support.archives import QMAIL
from tests.support.playing import PLAYER

ROOT = Path(__file__).resolve().parents[2]
REPOSITORY = "git+https://github.com/mailops/rescue"


def box():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = re.search(r"```sh\n(.*?)```", text, re.DOTALL)[1].splitlines()
    return {purpose.strip(): command.strip() for command, purpose in (line.split(" # ") for line in lines)}


@pytest.fixture
def desk(tmp_path):
    """A directory beside which nothing of the checkout is found; the host's queue is a copy on this machine."""
    with tarfile.open(QMAIL / "qmail-incident.tar.xz") as opened:
        opened.extractall(tmp_path, filter="tar")
    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": str(PLAYER.with_name("python")),
        "mailops_become": False,
        "mailops_queue_directory": str(tmp_path / "queue"),
        "confirm": False,
    }
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars" / "all.yml").write_text(yaml.safe_dump(variables))
    return tmp_path


def test_five_commands_install_see_take_out_and_undo(desk):
    commands = box()
    assert list(commands) == ["install", "point at a host", "see", "take out", "undo"]
    assert REPOSITORY in commands["install"]
    commands["install"] = commands["install"].replace(REPOSITORY, "git+file://%s" % ROOT)
    environment = {"PATH": "%s:/usr/bin:/bin" % PLAYER.parent, "HOME": str(desk), "LC_ALL": "C.UTF-8"}
    shown = {}
    for purpose, command in commands.items():
        made = subprocess.run(
            ["bash", "-c", command], cwd=desk, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert made.returncode == 0, made.stdout + made.stderr
        shown[purpose] = made.stdout
    assert "2,045 messages" in shown["see"]
    assert "mailops.rescue.purge -i hosts -l mx1.example.com" in shown["see"]
    assert "PURGED  1,996 messages" in shown["take out"]
    assert "RESTORED  1,996 messages" in shown["undo"]
