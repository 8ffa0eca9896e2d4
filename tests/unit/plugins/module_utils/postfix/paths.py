"""Where a message's files are."""

import os

__all__ = ["place"]


def place(queue, name, top="deferred"):
    """Return the path, relative to the queue, of the file of message `name` somewhere below `top`."""
    found = [
        os.path.relpath(os.path.join(folder, name), queue.path)
        for folder, _, names in os.walk(os.path.join(queue.path, top))
        if name in names
    ]
    assert len(found) == 1
    return found[0]
