"""Write Postfix queue directories in the format in which Postfix itself keeps them on disk.

Text may be given as bytes or as str (encoded in UTF-8). Times are seconds since the epoch.
"""

import os
import time
from collections import namedtuple

from .postfix_records import content_records, defer_entry, long_id, padding, record, short_id

__all__ = ["Client", "PostfixQueue", "Recipient"]

QUEUES = (
    "active",
    "bounce",
    "corrupt",
    "defer",
    "deferred",
    "flush",
    "hold",
    "incoming",
    "maildrop",
    "pid",
    "private",
    "public",
    "saved",
    "trace",
)
HASHED = ("deferred", "defer")
STATUS_TYPES = {"pending": "R", "done": "D", "cancelled": "/"}
POINTER = record("p", b"0".rjust(15))
WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

Client = namedtuple("Client", "address name helo sasl_username sasl_method sasl_sender protocol port server_port")
Client.__new__.__defaults__ = ("unknown", None, None, "PLAIN", None, "ESMTP", 49152, 25)
Client.__doc__ = """The SMTP client that a message came from; text as str, `helo` is its name where None."""

Recipient = namedtuple("Recipient", "address status reason dsn_status original notify diagnostic mta")
Recipient.__new__.__defaults__ = ("pending", None, "4.4.1", None, 0, None, None)
Recipient.__doc__ = """An envelope recipient: `status` is pending, done or cancelled; `reason` (with
`dsn_status`, and `diagnostic` and `mta` where another server answered) says why it was deferred;
`original` is its address before rewriting; `notify` are the DSN flags as an int."""


def as_bytes(value):
    return value if isinstance(value, bytes) else value.encode("utf-8")


def date(when):
    """Return the time `when` as Postfix writes dates, `Sat, 21 Nov 2026 20:23:28 +0000 (UTC)`."""
    t = time.gmtime(when)
    return "%s, %2d %s %d %02d:%02d:%02d +0000 (UTC)" % (
        WEEKDAYS[t.tm_wday],
        t.tm_mday,
        MONTHS[t.tm_mon - 1],
        t.tm_year,
        t.tm_hour,
        t.tm_min,
        t.tm_sec,
    )


class PostfixQueue:
    """A Postfix queue directory at `path`, of which what is missing is made, its parents too.

    `hash_depth`: hash_queue_depth for deferred and defer, 0 for none; `long_ids`: enable_long_queue_ids;
    `size_fields`: numbers in the first record, 5 before Postfix 3.0 and 6 since; `owner`: user and group ids
    to give everything to, maildrop's files apart, else they stay with the caller; `address`: the server's
    own.
    """

    def __init__(
        self,
        path,
        hash_depth=1,
        long_ids=False,
        size_fields=6,
        hostname="mail.example.com",
        owner=None,
        address="192.0.2.25",
    ):
        self.path = os.fspath(path)
        self.hash_depth = hash_depth
        self.long_ids = long_ids
        self.size_fields = size_fields
        self.hostname = hostname
        self.owner = owner
        self.address = address
        self._serial = 0
        self._hashed = set()
        for name in QUEUES:
            directory = os.path.join(self.path, name)
            if os.path.isdir(directory):
                continue
            os.makedirs(directory)
            os.chmod(directory, 0o1730 if name == "maildrop" else 0o755 if name == "pid" else 0o700)
            if owner and name != "pid":
                os.chown(directory, owner[0], -1)

    def add(
        self,
        content,
        sender,
        recipients,
        queue="deferred",
        client=None,
        uid=0,
        full_name=None,
        arrival=None,
        retry=None,
        extracted=False,
        milter=False,
        warn=None,
        encoding=None,
        expired=False,
        complete=True,
    ):
        """Put one message into a queue and return its id (str).

        `content`: header and body with LF line ends, without Postfix's own Received header; `recipients`:
        each a `Recipient` or an address; `queue`: one of deferred, hold, active, incoming and maildrop;
        `client`: the `Client` that it came from, None for mail from the sendmail command run by user id
        `uid`; `arrival`, `retry`: times of arrival and of the next attempt; `extracted`: recipients stand
        behind the content, as `sendmail -t` leaves them; `milter`: with the room that cleanup(8) leaves for
        Milters; `warn`: time of the delay warning; `expired`: forced to expire by postsuper -e; `complete`:
        False for a file that cleanup(8) still writes. A defer log is written when a recipient has a reason.
        """
        arrival = time.time() if arrival is None else arrival
        recipients = [r if isinstance(r, Recipient) else Recipient(r) for r in recipients]
        draft = "%s/%s/%d.%d" % (self.path, queue, os.getpid(), self._serial)
        self._serial += 1
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            message = _Message(
                self,
                as_bytes(content),
                as_bytes(sender),
                recipients,
                client,
                uid,
                full_name,
                arrival,
                milter,
                warn,
                encoding,
            )
            # Postfix takes the id's microseconds after it took those of the T record.
            message.id = self._new_id(arrival, message.microseconds, os.fstat(fd).st_ino)
            data = message.drop(extracted) if queue == "maildrop" else message.file(extracted)
            if not complete:
                data = data[: len(data) - 2]
            _write(fd, data)
            ready = 0o744 if queue == "maildrop" else 0o710 if expired else 0o700
            os.fchmod(fd, ready if complete else 0o600)
            os.utime(fd, (arrival, arrival if retry is None else retry))
            if self.owner:
                os.fchown(fd, uid if queue == "maildrop" else self.owner[0], self.owner[1])
        finally:
            os.close(fd)
        os.rename(draft, self._place(queue, message))
        if message.reasons:
            self._add_defer_log(message, arrival)
        return message.id

    def add_raw(self, queue, data, arrival=None):
        """Put a file with the bytes `data` into `queue` and return its id (str), for damaged files."""
        arrival = time.time() if arrival is None else arrival
        draft = "%s/%s/%d.raw" % (self.path, queue, os.getpid())
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            message = _Raw(int(arrival * 1000000) % 1000000)
            message.id = self._new_id(arrival, message.microseconds, os.fstat(fd).st_ino)
            _write(fd, data)
            os.fchmod(fd, 0o700)
            os.utime(fd, (arrival, arrival))
            if self.owner:
                os.fchown(fd, self.owner[0], self.owner[1])
        finally:
            os.close(fd)
        os.rename(draft, self._place(queue, message))
        return message.id

    def _new_id(self, arrival, microseconds, inode):
        if self.long_ids:
            return long_id(int(arrival), microseconds, inode)
        return short_id(microseconds, inode)

    def _place(self, queue, message):
        directory = self.path + "/" + queue
        if queue in HASHED:
            for digit in ("%05X" % message.microseconds)[: self.hash_depth]:
                directory += "/" + digit
                if directory not in self._hashed:
                    os.makedirs(directory, 0o700, exist_ok=True)
                    if self.owner:
                        os.chown(directory, self.owner[0], -1)
                    self._hashed.add(directory)
        return directory + "/" + message.id

    def _add_defer_log(self, message, when):
        fd = os.open(self._place("defer", message), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            _write(fd, b"".join(message.reasons))
            os.utime(fd, (when, when))
            if self.owner:
                os.fchown(fd, self.owner[0], self.owner[1])
        finally:
            os.close(fd)


class _Raw:
    def __init__(self, microseconds):
        self.microseconds = microseconds
        self.id = None


class _Message:
    """One message on its way into a file; `reasons` fills with defer log entries as `file` is called."""

    def __init__(self, queue, content, sender, recipients, client, uid, full_name, arrival, milter, warn, encoding):
        self.queue = queue
        self.content = content
        self.sender = sender
        self.recipients = recipients
        self.client = client
        self.uid = uid
        self.full_name = full_name
        self.arrival = arrival
        self.microseconds = int(arrival * 1000000) % 1000000
        self.milter = milter
        self.warn = warn
        self.encoding = encoding
        self.id = None
        self.reasons = []

    def drop(self, extracted):
        """Return the file as postdrop(1) writes it into maildrop."""
        recipients = b"".join(record("R", as_bytes(r.address)) for r in self.recipients)
        return b"".join(
            [
                record("T", b"%d %d" % (int(self.arrival), self.microseconds)),
                record("A", b"rewrite_context=local"),
                record("F", as_bytes(self.full_name)) if self.full_name else b"",
                record("S", self.sender),
                b"" if extracted else recipients,
                record("M"),
                content_records(self.content),
                record("X"),
                recipients if extracted else b"",
                record("E"),
            ]
        )

    def file(self, extracted):
        """Return the file as cleanup(8) writes it."""
        size_length = 2 + 16 * self.queue.size_fields - 1
        head = self._envelope_head()
        recipients = b"" if extracted else self._recipients(size_length + len(head))
        if self.milter and not extracted:
            recipients += POINTER
        body = content_records(self._received() + self.content, self.milter)
        data_offset = size_length + len(head) + len(recipients) + len(record("M"))
        tail_offset = data_offset + len(body) + len(record("X"))
        tail = b"".join(_attributes(("encoding", self.encoding))) if self.encoding else b""
        if self.milter:
            tail += POINTER
        if extracted:
            tail += self._recipients(tail_offset + len(tail)) + (POINTER if self.milter else b"")
        flags = 0
        for recipient in self.recipients:
            flags |= recipient.notify << 1
        numbers = [len(body), data_offset, len(self.recipients), flags, len(body), 0][: self.queue.size_fields]
        size = record("C", b" ".join(b"%15d" % n for n in numbers))
        return b"".join([size, head, recipients, record("M"), body, record("X"), tail, record("E")])

    def _envelope_head(self):
        records = [
            record("T", b"%d %d" % (int(self.arrival), self.microseconds)),
            record("A", b"create_time=%d" % int(self.arrival)),
        ]
        client = self.client
        if client is None:
            records.append(record("A", b"rewrite_context=local"))
            records.append(record("F", as_bytes(self.full_name)) if self.full_name else b"")
        else:
            records += _attributes(("log_ident", self.id), ("rewrite_context", "local"))
            if client.sasl_username is not None:
                records += _attributes(("sasl_method", client.sasl_method), ("sasl_username", client.sasl_username))
                if client.sasl_sender is not None:
                    records += _attributes(("sasl_sender", client.sasl_sender))
        records.append(record("S", self.sender))
        if self.milter and client is not None and len(self.sender) < 15:
            records.append(padding("p", 15 - len(self.sender)))
        if self.encoding:
            records += _attributes(("encoding", self.encoding))
        if client is not None:
            records += self._client_attributes(client)
        if self.warn is not None:
            records.append(record("W", b"%15d" % int(self.warn)))
        return b"".join(records)

    def _client_attributes(self, client):
        helo = client.name if client.helo is None else client.helo
        return _attributes(
            ("log_client_name", client.name),
            ("log_client_address", client.address),
            ("log_client_port", client.port),
            ("log_message_origin", "%s[%s]" % (client.name, client.address)),
            ("log_helo_name", helo),
            ("log_protocol_name", client.protocol),
            ("client_name", client.name),
            ("reverse_client_name", client.name),
            ("client_address", client.address),
            ("client_port", client.port),
            ("server_address", self.queue.address),
            ("server_port", client.server_port),
            ("helo_name", helo),
            ("protocol_name", client.protocol),
            ("client_address_type", 10 if ":" in client.address else 2),
        )

    def _recipients(self, offset):
        records = []
        for recipient in self.recipients:
            address = as_bytes(recipient.address)
            original = address if recipient.original is None else as_bytes(recipient.original)
            before = record("A", b"notify_flags=%d" % recipient.notify) if recipient.notify else b""
            before += record("A", b"dsn_orig_rcpt=rfc822;" + original) + record("O", original)
            entry = record(STATUS_TYPES[recipient.status], address)
            offset += len(before)
            if recipient.reason is not None:
                self.reasons.append(
                    defer_entry(
                        address,
                        as_bytes(recipient.reason),
                        offset,
                        recipient.dsn_status,
                        original,
                        recipient.notify,
                        None if recipient.diagnostic is None else as_bytes(recipient.diagnostic),
                        None if recipient.mta is None else as_bytes(recipient.mta),
                    )
                )
            offset += len(entry)
            records += [before, entry]
        return b"".join(records)

    def _received(self):
        host, when, client = self.queue.hostname, date(self.arrival), self.client
        if client is None:
            text = "Received: by %s (Postfix, from userid %d)\n" % (host, self.uid)
            text += "\tid %s; %s\n" % (self.id, when)
        else:
            helo = client.name if client.helo is None else client.helo
            protocol = client.protocol + ("A" if client.sasl_username and client.protocol[-1] != "A" else "")
            text = "Received: from %s (%s [%s%s])\n" % (
                helo,
                client.name,
                "IPv6:" if ":" in client.address else "",
                client.address,
            )
            text += "\tby %s (Postfix) with %s id %s" % (host, protocol, self.id)
            if len(self.recipients) == 1:
                text = as_bytes(text) + b"\n\tfor <" + as_bytes(self.recipients[0].address) + b">; "
                return text + as_bytes(when + "\n")
            text += ";\n\t%s\n" % when
        return as_bytes(text)


def _attributes(*pairs):
    return [record("A", as_bytes("%s=%s" % pair)) for pair in pairs]


def _write(fd, data):
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
