"""Queues and logs that a real qmail wrote, as tests/data/qmail/README.md describes them."""

import os
import tarfile
from pathlib import Path

__all__ = ["QMAIL", "unpack"]

QMAIL = Path(__file__).resolve().parents[1] / "data" / "qmail"


def unpack(name, path):
    """Unpack QMAIL/`name`.tar.xz below `path`, and return the queue's directory."""
    with tarfile.open(QMAIL / (name + ".tar.xz")) as archive:
        # As root, owners come back by name where the host has them, else by number; others read what is their own.
        if os.geteuid() == 0:
            archive.extractall(path)
        else:
            archive.extractall(path, filter="data")
    return path / "queue"
