"""Write qmail queues in the format in which qmail itself keeps them on disk.

Text may be given as bytes or as str (encoded in UTF-8). Times are seconds since the epoch.
"""

import os
import time

__all__ = ["QmailQueue", "date", "failure_notice", "received"]

# directory: owner's user, mode, split into numbered directories
DIRECTORIES = {
    "bounce": ("qmails", 0o700, False),
    "info": ("qmails", 0o700, True),
    "intd": ("qmailq", 0o700, False),
    "local": ("qmails", 0o700, True),
    "lock": ("qmailq", 0o750, False),
    "mess": ("qmailq", 0o750, True),
    "pid": ("qmailq", 0o700, False),
    "remote": ("qmails", 0o700, True),
    "todo": ("qmailq", 0o750, False),
}
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
ORIGINS = {"network": "invoked from network", "bounce": "invoked for bounce", "alias": "invoked by alias"}


def as_bytes(value):
    return value if isinstance(value, bytes) else value.encode("utf-8")


def date(when):
    """Return the time `when` as qmail writes dates, `21 Nov 2026 19:24:27 -0000`."""
    t = time.gmtime(when)
    return "%d %s %d %02d:%02d:%02d -0000" % (t.tm_mday, MONTHS[t.tm_mon - 1], t.tm_year, t.tm_hour, t.tm_min, t.tm_sec)


def received(origin, pid, when):
    """Return the line (bytes) that qmail-queue puts first into a message.

    `origin`: `uid N`, `network`, `bounce` or `alias`.
    """
    how = ORIGINS[origin] if origin in ORIGINS else "invoked by " + origin
    return ("Received: (qmail %d %s); %s\n" % (pid, how, date(when))).encode("ascii")


def failure_notice(sender, failures, original, me="mail.example.com", when=None):
    """Return the content (bytes) of the notice by which qmail-send returns a message to its sender.

    `failures`: pairs of recipient and reason; `original`: the message as it is in `mess`, its first Received
    line included; `me`: control/bouncehost. The Received line of the notice itself comes from
    `QmailQueue.add` with `origin='bounce'`. With an empty `sender` it is the notice of a double bounce, to
    postmaster.
    """
    sender, me = as_bytes(sender), as_bytes(me)
    parts = [
        b"Date: ",
        date(time.time() if when is None else when).encode("ascii"),
        b"\n",
        b"From: MAILER-DAEMON@",
        me,
        b"\n",
        b"To: ",
        sender or b"postmaster@" + me,
        b"\n",
        b"Subject: failure notice\n\n",
        b"Hi. This is the qmail-send program at ",
        me,
        b".\n",
    ]
    if sender:
        parts.append(
            b"I'm afraid I wasn't able to deliver your message to the following addresses.\n"
            b"This is a permanent error; I've given up. Sorry it didn't work out.\n\n"
        )
    else:
        parts.append(b"I tried to deliver a bounce message to this address, but the bounce bounced!\n\n")
    for recipient, reason in failures:
        parts += [b"<", as_bytes(recipient), b">:\n", as_bytes(reason), b"\n\n"]
    if sender:
        parts.append(b"--- Below this line is a copy of the message.\n\n")
    else:
        parts.append(b"--- Below this line is the original bounce.\n\n")
    parts += [b"Return-Path: <", sender, b">\n", as_bytes(original)]
    return b"".join(parts)


class QmailQueue:
    """A qmail queue below the directory `path`, which is made if need be, its parents too.

    `split`: number of the numbered directories; `big_todo`: whether todo and intd have them as well.
    `owners`: give files to qmailq, qmails and qmailr as qmail does; needs root and those users (KeyError
    where they do not exist).
    """

    def __init__(self, path, split=23, big_todo=False, owners=False):
        self.path = os.fspath(path)
        self.split = split
        self.big_todo = big_todo
        self.ids = _owner_ids() if owners else {}
        self._pid = 1000
        self._serial = 0
        self._make_tree()

    def add(
        self,
        content,
        sender=b"",
        local=(),
        remote=(),
        done=(),
        origin="uid 0",
        state="S5",
        arrival=None,
        bounce_text=None,
        retry=None,
    ):
        """Put one message into the queue and return its id (int), the inode number of its file in mess.

        `content`: the message without qmail-queue's own Received line; `local`, `remote`: recipients by
        channel; `done`: those of them that need no more delivery; `state`: `S5` (preprocessed), `S4` (in
        todo), `S3` (mess and intd) or `S2` (mess only); `arrival`, `retry`: times of arrival and of the next
        attempt, now by default; `bounce_text`: contents of the bounce file. ValueError for another state.
        """
        if state not in ("S2", "S3", "S4", "S5"):
            raise ValueError("state must be S2, S3, S4 or S5, not %r" % (state,))
        arrival = time.time() if arrival is None else arrival
        self._pid = self._pid + 1 if self._pid < 32000 else 1001
        number = self._add_mess(received(origin, self._pid, arrival) + as_bytes(content), arrival)
        local, remote = [as_bytes(r) for r in local], [as_bytes(r) for r in remote]
        if state == "S5":
            self.add_preprocessed(number, sender, local, remote, arrival, retry, {as_bytes(r) for r in done})
        elif state != "S2":
            self._add_envelope(number, sender, local + remote, origin, state, arrival)
        if bounce_text is not None:
            self._write("bounce/%d" % number, as_bytes(bounce_text), 0o600, "qmails", arrival)
        return number

    def _add_mess(self, content, when):
        self._serial += 1
        draft = "%s/pid/%d.%d.%d" % (self.path, self._pid, int(when), self._serial)
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        try:
            number = os.fstat(fd).st_ino
            _fill(fd, content, 0o644, when)
            if self.ids:
                os.fchown(fd, self.ids["qmailq"], -1)
        finally:
            os.close(fd)
        os.rename(draft, "%s/mess/%d/%d" % (self.path, number % self.split, number))
        return number

    def add_preprocessed(self, number, sender, local, remote, arrival, retry=None, done=()):
        """Write info, local and remote of message `number`; addresses are bytes, the rest is as in `add`."""
        place = "%d/%d" % (number % self.split, number)
        self._write("info/" + place, b"F" + as_bytes(sender) + b"\0", 0o600, "qmails", arrival)
        for channel, recipients in (("local", local), ("remote", remote)):
            if recipients:
                text = b"".join((b"D" if r in done else b"T") + r + b"\0" for r in recipients)
                self._write(channel + "/" + place, text, 0o600, "qmails", arrival if retry is None else retry)

    def _add_envelope(self, number, sender, recipients, origin, state, arrival):
        uid = origin[4:] if origin.startswith("uid ") else "0"
        text = b"u%s\0p%d\0F%s\0" % (uid.encode("ascii"), self._pid, as_bytes(sender))
        text += b"".join(b"T" + r + b"\0" for r in recipients)
        place = "%d/%d" % (number % self.split, number) if self.big_todo else str(number)
        self._write("intd/" + place, text, 0o644, "qmailq", arrival)
        if state == "S4":
            os.link("%s/intd/%s" % (self.path, place), "%s/todo/%s" % (self.path, place))

    def _write(self, name, content, mode, owner, when):
        fd = os.open(self.path + "/" + name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            _fill(fd, content, mode, when)
            if self.ids:
                os.fchown(fd, self.ids[owner], self.ids["qmail"])
        finally:
            os.close(fd)

    def _make_tree(self):
        self._directory("", "qmailq", 0o750)
        for name, (owner, mode, is_split) in DIRECTORIES.items():
            self._directory(name, owner, mode)
            if is_split or (self.big_todo and name in ("todo", "intd")):
                for number in range(self.split):
                    self._directory("%s/%d" % (name, number), owner, mode)
        now = time.time()
        if not os.path.exists(self.path + "/lock/trigger"):
            self._write("lock/sendmutex", b"", 0o600, "qmails", now)
            self._write("lock/tcpto", b"\0" * 1024, 0o644, "qmailr", now)
            os.mkfifo(self.path + "/lock/trigger")
            os.chmod(self.path + "/lock/trigger", 0o622)
            if self.ids:
                os.chown(self.path + "/lock/trigger", self.ids["qmails"], self.ids["qmail"])

    def _directory(self, name, owner, mode):
        path = os.path.join(self.path, name) if name else self.path
        os.makedirs(path, exist_ok=True)
        os.chmod(path, mode)
        if self.ids:
            os.chown(path, self.ids[owner], self.ids["qmail"])


def _fill(fd, content, mode, when):
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]
    os.fchmod(fd, mode)
    os.utime(fd, (when, when))


def _owner_ids():
    import grp
    import pwd

    ids = {name: pwd.getpwnam(name).pw_uid for name in ("qmailq", "qmails", "qmailr")}
    ids["qmail"] = grp.getgrnam("qmail").gr_gid
    return ids
