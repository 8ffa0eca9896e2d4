"""Programs inside containers of the image that has Postfix, without a network."""

import json
import subprocess
from pathlib import Path

import pytest

__all__ = ["IMAGE", "in_container"]

IMAGE = "mailops-base:bookworm"
ROOT = Path(__file__).resolve().parents[2]


def in_container(module, *arguments, seconds, image=IMAGE):
    """Run `python3 -m MODULE` of this checkout as root inside a new container; return the JSON on its last line.

    Skips the test where there is no Docker or no image.
    """
    why = _missing(image)
    if why:
        pytest.skip("NOT TESTED AGAINST A REAL POSTFIX: %s" % why)
    command = [
        "docker",
        "run",
        "--rm",
        "--init",
        "--network",
        "none",
        "--hostname",
        "mail.example.com",
        "--volume",
        "%s:/src:ro" % ROOT,
        "--env",
        "PYTHONPATH=/src",
        "--env",
        "PYTHONDONTWRITEBYTECODE=1",
        "--workdir",
        "/",
        "--entrypoint",
        "/usr/bin/timeout",
        image,
        "-k",
        "10",
        str(seconds),
        "python3",
        "-m",
        module,
        *arguments,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + 60)
    assert done.returncode == 0, (done.returncode, done.stdout[-2000:], done.stderr[-4000:])
    return json.loads(done.stdout.splitlines()[-1])


def _missing(image):
    try:
        found = subprocess.run(["docker", "image", "inspect", image], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "docker is not installed"
    if found.returncode:
        return (found.stderr.strip().splitlines() or ["docker image inspect failed"])[-1]
    return None
