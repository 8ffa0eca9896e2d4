"""Run a module as Ansible does: options as JSON in, one JSON document out."""

import json
import os
import subprocess
import sys
from pathlib import Path

__all__ = ["finish", "run_module", "start_module"]

ROOT = Path(__file__).resolve().parents[2]


def start_module(name, **options):
    """Return the Popen of a module that runs, in a session of its own."""
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "plugins" / "modules" / (name + ".py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd="/",
        start_new_session=True,
        env=dict(os.environ, PYTHONPATH=str(ROOT)),
    )
    process.stdin.write(json.dumps({"ANSIBLE_MODULE_ARGS": options}).encode())
    process.stdin.close()
    process.stdin = None
    return process


def finish(process, seconds=120):
    """Return (exit status, result) of a module that was started."""
    out, errors = process.communicate(timeout=seconds)
    assert out, errors.decode()
    return process.returncode, json.loads(out)


def run_module(name, **options):
    """Return (exit status, result) of a module."""
    return finish(start_module(name, **options))
