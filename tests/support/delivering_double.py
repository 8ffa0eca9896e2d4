"""A stand-in for qmail where it is not installed: it delivers to homes, sends failure notices, and logs that."""

import os
import pwd

from .qmail_double import QmailDouble
from .qmail_queue import failure_notice

__all__ = ["DeliveringDouble"]

NOBODY = "failure: Sorry,_no_mailbox_here_by_that_name._(#5.1.1)/"
SAYING = b"|bouncesaying '"
DEV_NULL = "deferral: Unable_to_write_/dev/null:_invalid_argument._(#4.3.0)/"


class DeliveringDouble(QmailDouble):
    """qmail in the directory `home`, as its `control` and `users/assign` say when this is made.

    `log`: in qmail-send's words. Of .qmail files it knows comments, mailboxes, forwards and `|bouncesaying '…'`. What
    goes to other hosts is deferred. `owners`: as in `QmailQueue`.
    """

    def __init__(self, home, owners=False):
        self.home = home
        me = self._control("me")[0]
        super().__init__(home + "/queue", self._control("locals") or [me], me, owners)
        self.log = ""
        pairs = [line.partition(":")[::2] for line in self._control("virtualdomains")]
        self._virtual = {domain.lower().encode(): prefix.encode() for domain, prefix in pairs}
        self._prefixes = {}
        for line in self._lines(home + "/users/assign"):
            if line.startswith("+"):
                fields = line.split(":")
                self._prefixes[fields[0][1:]] = fields[4]
        to = (self._control("doublebounceto") or ["postmaster"])[0]
        self._double_bounces = ("%s@%s" % (to, (self._control("doublebouncehost") or [me])[0])).encode()
        self._deliveries = 0
        self._tried = set()

    def _control(self, name):
        return self._lines("%s/control/%s" % (self.home, name))

    @staticmethod
    def _lines(path):
        if not os.path.exists(path):
            return []
        with open(path) as f:
            return [line.strip() for line in f if line.strip() and not line.startswith("#")]

    def settle(self):
        """Try each recipient that was not tried before, and go on until none is left."""
        while True:
            self.preprocess()
            for _, _, names in os.walk(self.path + "/info"):
                for number in map(int, names):
                    self._deliver_all(number)
            self.drain()
            if not os.listdir(self.path + "/todo"):
                return

    def waiting(self, channel):
        """Return the addresses that wait for delivery."""
        return [address for _, address, _ in self._all_pending(channel)]

    def accept_remote(self):
        """Have all that waits for other hosts accepted there."""
        for number, _, position in self._all_pending("remote"):
            self._mark(number, "remote", position)
        self.drain()

    def _all_pending(self, channel):
        numbers = [int(name) for _, _, names in os.walk("%s/%s" % (self.path, channel)) for name in names]
        return [(number, *one) for number in numbers for one in self._pending(channel, number)]

    def _route(self, address):
        channel, address = super()._route(address)
        prefix = self._virtual.get(address.rpartition(b"@")[2].lower())
        return ("local", prefix + b"-" + address) if channel == "remote" and prefix else (channel, address)

    def _pending(self, channel, number):
        path = self._file(channel, number)
        if not os.path.exists(path):
            return []
        with open(path, "rb") as f:
            records = f.read().split(b"\0")[:-1]
        starts = [sum(len(one) + 1 for one in records[:at]) for at in range(len(records))]
        return [(one[1:], start) for one, start in zip(records, starts) if one[:1] == b"T"]

    def _mark(self, number, channel, position):
        with open(self._file(channel, number), "r+b") as f:
            f.seek(position)
            f.write(b"D")

    def _deliver_all(self, number):
        for channel in ("local", "remote"):
            for address, position in self._pending(channel, number):
                if (number, address) in self._tried:
                    continue
                self._tried.add((number, address))
                self._deliveries += 1
                said = self._deliver(number, address) if channel == "local" else "deferral: Nobody_listens/"
                self.log += "starting delivery %d: msg %d to %s %s\n" % (
                    self._deliveries,
                    number,
                    channel,
                    address.decode(),
                )
                self.log += "delivery %d: %s\n" % (self._deliveries, said)
                if said.startswith("deferral"):
                    continue
                if said.startswith("failure"):
                    with open("%s/bounce/%d" % (self.path, number), "ab") as f:
                        f.write(b"<%s>:\n%s\n\n" % (address, said.encode()))
                self._mark(number, channel, position)

    def _deliver(self, number, address):
        home, extension = self._controller(address.rpartition(b"@")[0].decode())
        if extension is None:
            return self._append(number, address, [home + "/Mailbox"])
        extension = extension.lower().replace(".", ":")
        names = [extension] + [
            extension[:at] + "default" for at in range(len(extension), -1, -1) if not at or extension[at - 1] == "-"
        ]
        for name in names:
            path = "%s/.qmail-%s" % (home, name)
            if os.path.exists(path):
                with open(path, "rb") as f:
                    return self._obey(number, address, home, f.read())
        return NOBODY

    def _controller(self, local):
        """Return the home that gets mail for a local part, and the extension; None where it is the user's own name."""
        for prefix, home in self._prefixes.items():
            if local.lower().startswith(prefix):
                return home, local[len(prefix) :]
        name, dash, extension = local.partition("-")
        try:
            user = pwd.getpwnam(name.lower())
            if user.pw_uid and os.stat(user.pw_dir).st_uid == user.pw_uid:
                return user.pw_dir, extension if dash else None
        except (KeyError, OSError):
            pass
        return self.home + "/alias", local

    def _obey(self, number, address, home, data):
        if not data:
            return self._append(number, address, [home + "/Mailbox"])
        boxes, forwards = [], []
        for line in data.splitlines():
            if line.startswith(SAYING):
                return "failure: %s/" % line[len(SAYING) : -1].decode().replace(" ", "_")
            if line == b"/dev/null":
                return DEV_NULL
            if line[:1] in (b".", b"/"):
                boxes.append(os.path.join(home, line.decode()))
            elif line[:1] == b"&":
                forwards.append(line[1:])
            elif line[:1] not in (b"#", b""):
                raise ValueError("the double does not know %r" % line)
        said = self._append(number, address, boxes)
        if forwards:
            self.inject(self._content(number), self._sender(number), forwards, "alias")
            said = "success: did_%d+%d+0/" % (len(boxes), len(forwards))
        return said

    def _content(self, number):
        with open(self._file("mess", number), "rb") as f:
            return f.read()

    def _sender(self, number):
        with open(self._file("info", number), "rb") as f:
            return f.read()[1:-1]

    def _append(self, number, address, boxes):
        content = self._content(number)
        for box in boxes:
            with open(box, "ab") as f:
                f.write(b"From MAILER-DAEMON\nDelivered-To: " + address + b"\n" + content + b"\n")
        return "success: did_%d+0+0/" % len(boxes)

    def _drop(self, number, info):
        bounce, sender = "%s/bounce/%d" % (self.path, number), self._sender(number)
        if os.path.exists(bounce):
            if sender == b"#@[]":
                self.log += "triple bounce: discarding bounce/%d\n" % number
            else:
                back = (b"", sender) if sender else (b"#@[]", self._double_bounces)
                with open(bounce, "rb") as f:
                    failures = [one[1:].split(b">:\n", 1) for one in f.read().split(b"\n\n") if one]
                notice = failure_notice(sender, failures, self._content(number), self.me)
                self.inject(notice, back[0], [back[1]], "bounce")
                self.log += "bounce msg %d qp 1\n" % number
        super()._drop(number, info)
        self.log += "end msg %d\n" % number
