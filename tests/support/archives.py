"""Queues and logs that a real qmail wrote, as tests/data/qmail/README.md describes them."""

import os
import tarfile
from pathlib import Path

__all__ = ["QMAIL", "unpack"]

QMAIL = Path(__file__).resolve().parents[1] / "data" / "qmail"


def unpack(name, path):
    """Unpack QMAIL/`name`.tar.xz below `path`, and return the queue's directory."""
    with tarfile.open(QMAIL / (name + ".tar.xz")) as archive:
        # As root, owners and modes come back as in the archive; others read what is then their own.
        if os.geteuid() == 0:
            archive.extractall(path, numeric_owner=True)
        else:
            archive.extractall(path, filter="data")
    return path / "queue"
