"""Waiting for what other processes do."""

import time

__all__ = ["wait_for"]


def wait_for(condition, seconds=60):
    """Return what `condition()` returns once that is true; RuntimeError after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise RuntimeError("not within %d s" % seconds)
        time.sleep(0.02)
