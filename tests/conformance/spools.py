"""A queue of each MTA, filled in the same way."""

import os

from tests.support.postfix_queue import PostfixQueue
from tests.support.qmail_queue import QmailQueue

from .maildir import QUEUES

__all__ = ["SPOOLS"]


class QmailSpool:
    mta = "qmail"

    def __init__(self, path):
        self._queue = QmailQueue(path, split=3)
        self.path = self._queue.path

    def add(self, text, sender, recipient, arrival):
        return str(self._queue.add(text, sender.encode(), remote=[recipient.encode()], arrival=arrival))

    def add_stray(self):
        with open(os.path.join(self.path, "mess", "1", "stray"), "wb"):
            pass


class PostfixSpool:
    mta = "postfix"

    def __init__(self, path):
        self._queue = PostfixQueue(path, long_ids=True)
        self.path = self._queue.path

    def add(self, text, sender, recipient, arrival):
        return self._queue.add(text, sender, [recipient], arrival=arrival)

    def add_stray(self):
        path = os.path.join(self.path, "deferred", "not.an.id")
        with open(path, "wb"):
            pass
        # What is young may be about to become a message.
        os.utime(path, (1, 1))


class MaildirSpool:
    mta = "maildir"

    def __init__(self, path):
        self.path = os.fspath(path)
        self._serial = 0
        for queue in QUEUES:
            os.makedirs(os.path.join(self.path, queue))

    def add(self, text, sender, recipient, arrival):
        self._serial += 1
        path = os.path.join(self.path, QUEUES[self._serial % 2], str(self._serial))
        with open(path, "wb") as file:
            file.write(b"%s\n%s\n%s" % (sender.encode(), recipient.encode(), text))
        os.utime(path, (arrival, arrival))
        return str(self._serial)

    def add_stray(self):
        with open(os.path.join(self.path, "new", "stray"), "wb"):
            pass


SPOOLS = (QmailSpool, PostfixSpool, MaildirSpool)
