"""A stand-in for qmail where it is not installed: takes mail in, drops what is done, and never delivers."""

import os
import time

from .qmail_queue import QmailQueue, as_bytes

__all__ = ["QmailDouble"]


class QmailDouble:
    """qmail-queue and the first half of qmail-send on a queue of its own below the directory `path`.

    `local_domains`: control/locals; `me`: control/me, added to recipients without a domain; `owners`: as in
    `QmailQueue`. `notices`: the senders whom failures were reported to, as bytes.
    """

    def __init__(self, path, local_domains=("mail.example.com",), me="mail.example.com", owners=False):
        self.queue = QmailQueue(path, owners=owners)
        self.path = self.queue.path
        self.local_domains = {as_bytes(domain).lower() for domain in local_domains}
        self.me = as_bytes(me)
        self.notices = []

    def inject(self, content, sender, recipients, origin="uid 0", stop_at="S4"):
        """Do qmail-queue's work and return the message's id (int).

        `stop_at`: `S4` for a message handed over; `S2`, `S3` for one whose injection hangs before the end of
        the content, or of the envelope. qmail-queue has written nothing of either by then, if it is short.
        """
        number = self.queue.add(content, sender, remote=recipients, origin=origin, state=stop_at)
        if stop_at == "S2":
            os.truncate(self._file("mess", number), 0)
        elif stop_at == "S3":
            os.truncate("%s/intd/%d" % (self.path, number), 0)
        return number

    def preprocess(self):
        """Do what qmail-send does first with each message in todo: sort its recipients by channel."""
        for name in os.listdir(self.path + "/todo"):
            self._preprocess_one(int(name))

    def _preprocess_one(self, number):
        with open("%s/todo/%d" % (self.path, number), "rb") as stream:
            fields = stream.read().split(b"\0")
        sender = next(f[1:] for f in fields if f[:1] == b"F")
        channels = {"local": [], "remote": []}
        for field in fields:
            if field[:1] == b"T":
                channel, address = self._route(field[1:] if b"@" in field else field[1:] + b"@" + self.me)
                channels[channel].append(address)
        self.queue.add_preprocessed(number, sender, channels["local"], channels["remote"], time.time())
        os.unlink("%s/intd/%d" % (self.path, number))
        os.unlink("%s/todo/%d" % (self.path, number))

    def _route(self, address):
        """Return the channel of an address, and what it is called there."""
        domain = address.rpartition(b"@")[2].lower()
        return "local" if domain in self.local_domains else "remote", address

    def drain(self):
        """Do what qmail-send does upon ALRM, were each attempt put off: drop what is done; return those messages' ids.

        Failures are reported to the sender first: to nobody where that is `#@[]`, and `b""` means postmaster.
        """
        dropped = []
        for folder, _, names in os.walk(self.path + "/info"):
            for number in map(int, names):
                if os.path.exists("%s/todo/%d" % (self.path, number)):
                    continue
                if not any(self._is_pending(channel, number) for channel in ("local", "remote")):
                    self._drop(number, os.path.join(folder, str(number)))
                    dropped.append(number)
        return sorted(dropped)

    def _is_pending(self, channel, number):
        """Tell whether a recipient is pending; a channel's file goes as soon as none is."""
        path = self._file(channel, number)
        if not os.path.exists(path):
            return False
        with open(path, "rb") as stream:
            if any(record[:1] == b"T" for record in stream.read().split(b"\0")):
                return True
        os.unlink(path)
        return False

    def _drop(self, number, info):
        bounce = "%s/bounce/%d" % (self.path, number)
        if os.path.exists(bounce):
            with open(info, "rb") as stream:
                sender = stream.read()[1:-1]
            if sender != b"#@[]":
                self.notices.append(sender)
            os.unlink(bounce)
        os.unlink(info)
        os.unlink(self._file("mess", number))

    def _file(self, directory, number):
        return "%s/%s/%d/%d" % (self.path, directory, number % self.queue.split, number)
