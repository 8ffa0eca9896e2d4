"""Run queue_info's engine with the module's defaults, and hands to put into it while it reads."""

import os
import signal
from contextlib import contextmanager

from ansible_collections.mailops.rescue.plugins.module_utils.engines.queue_info import inspect

__all__ = ["as_nobody", "deadline", "meddle", "message", "queue_info"]

OPTIONS = {
    "mta": "auto",
    "queue_directory": None,
    "config_directory": None,
    "select": None,
    "exclude": None,
    "timeout_per_message": 1.0,
    "limit": 100,
    "content": "none",
    "content_bytes": 2048,
    "top": 10,
    "listing": None,
    "workers": 1,
}
NOBODY = 65534


def queue_info(directory=None, check_mode=False, **options):
    """Return what queue_info returns for the queue at `directory`."""
    given = dict(OPTIONS, queue_directory=None if directory is None else os.fspath(directory), **options)
    assert set(given) == set(OPTIONS)
    return inspect(given, check_mode)


def message(result, number):
    """Return the one message of this id in a result."""
    found = [one for one in result["messages"] if one["id"] == str(number)]
    assert len(found) == 1
    return found[0]


def meddle(monkeypatch, reader, hook):
    """Call `hook(message, part)` between a message's listing and its first opening; `reader` is the class."""
    original = reader.read

    def read(self, part, problem):
        for found in original(self, part, problem):
            hook(found, part)
            yield found

    monkeypatch.setattr(reader, "read", read)


@contextmanager
def as_nobody():
    """Without root's rights inside, where there were any."""
    if os.geteuid() != 0:
        yield
        return
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


@contextmanager
def deadline(seconds):
    """AssertionError where what is inside takes longer, or waits for ever."""

    def late(*unused):
        raise AssertionError("still waiting after %d seconds" % seconds)

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
