"""A small queue that has a message of each kind, for tests of what changes queues."""

import os

from .postfix_queue import Client, PostfixQueue, Recipient

__all__ = ["add_log", "small_queue"]

NOW = 1790000000


def add_log(queue, log, queue_id, depth=0, data=b"log\n"):
    """Write a log of a message, hashed `depth` deep; return its path."""
    directory = os.path.join(queue.path, log, *queue_id[:depth])
    os.makedirs(directory, 0o700, exist_ok=True)
    path = os.path.join(directory, queue_id)
    with open(path, "wb") as file:
        file.write(data)
    os.chmod(path, 0o600)
    return path


def small_queue(path, **options):
    """Return a PostfixQueue, and {name: id} of its messages; spam's senders are spam…@example.net."""
    queue, ids = PostfixQueue(path, **options), {}

    def add(name, sender, recipients, place="deferred", when=0, **more):
        ids[name] = queue.add(
            "Subject: %s\n\nthis is %s\n" % (name, name),
            sender,
            recipients,
            place,
            arrival=NOW + when + 0.123456,
            **more,
        )

    late = Recipient("a@example.org", reason="connect to example.org: timed out")
    add("first", "spam1@example.net", [late], when=1, retry=NOW + 500)
    add(
        "second",
        "spam2@example.net",
        [late, Recipient("b@example.org", "done"), "c@example.org"],
        when=2,
        client=Client("192.0.2.7", sasl_username="info"),
    )
    add("plain", "spam3@example.net", ["a@example.org"], when=3)
    add("held", "spam4@example.net", ["a@example.org"], "hold", 4)
    add("new", "spam5@example.net", ["a@example.org"], "incoming", 5)
    add("flying", "spam6@example.net", ["a@example.org"], "active", 6)
    add("dropped", "spam7@example.net", ["a@example.org"], "maildrop", 7)
    add("innocent", "friend@example.com", [late], when=8)
    add("resting", "friend@example.com", ["a@example.org"], "active", 9)
    add("big", "spam8@example.net", ["r%d@example.org" % n for n in range(2000)], when=10)
    for log in ("bounce", "trace"):
        add_log(queue, log, ids["second"])
    return queue, ids
