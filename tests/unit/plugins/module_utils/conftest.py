import time

import pytest

from tests.support.postfix_queue import Client, PostfixQueue, Recipient
from tests.support.qmail_queue import QmailQueue, failure_notice

NOTICE = failure_notice(b"spammer@example.net", [(b"nobody@mail.example.com", b"Sorry")], b"Subject: spam\n\n")
BIG = "Subject: =?utf-8?B?44GT44KT44Gr44Gh44Gv?=\nX-Mailer: evil 2\n\n" + "word\n" * 4000 + "needle\n"


class Sample:
    """Six messages with names of our own: `ids` maps names to ids."""

    def __init__(self, mta, path):
        self.mta = mta
        self.path = path
        self.ids = {}

    def __getitem__(self, name):
        return self.ids[name]

    def names(self, result):
        ids = {queue_id: name for name, queue_id in self.ids.items()}
        return sorted(ids[one["id"]] for one in result["messages"])


def _qmail(path):
    queue, sample, now = QmailQueue(path, split=7), Sample("qmail", path), time.time()

    def add(name, *args, **options):
        sample.ids[name] = str(queue.add(*args, **options))

    smtp = "Received: from %s (HELO x) (%s)\n  by mail.example.com with %s; x\n"
    add(
        "web",
        "Subject: hello\n\nbody\n",
        b"web@example.com",
        remote=[b"b@example.net"],
        origin="uid 33",
        arrival=now - 10,
    )
    add(
        "stolen",
        smtp % ("unknown", "info@Example.com@192.0.2.7", "ESMTPA") + "Subject: spam spam\n\n",
        b"info@example.com",
        remote=[b"c@example.org"],
        origin="network",
        arrival=now - 7200,
    )
    add(
        "six",
        smtp % ("six.example.net", "2001:db8::7", "SMTP") + "Subject: six\n\n",
        b"six@example.net",
        [b"l@mail.example.com"],
        origin="network",
        arrival=now - 86400 * 8,
    )
    add("notice", NOTICE, b"", remote=[b"spammer@example.net"], origin="bounce", arrival=now - 500)
    add("big", BIG, b"Big@example.com", remote=[b"b@example.net"], origin="uid 0", arrival=now - 500)
    add("waiting", "\n", b"wait@example.com", remote=[b"w@example.net"], origin="uid 0", state="S4", arrival=now - 500)
    return sample


def _postfix(path):
    queue, sample, now = PostfixQueue(path), Sample("postfix", path), time.time()

    def add(name, *args, **options):
        sample.ids[name] = queue.add(*args, **options)

    late = "host mx[192.0.2.1] said: 421 busy"
    add(
        "web",
        "Subject: hello\n\nbody\n",
        "web@example.com",
        [Recipient("b@example.net", reason=late)],
        uid=33,
        arrival=now - 10,
    )
    add(
        "stolen",
        "Subject: spam spam\n\n",
        "info@example.com",
        ["c@example.org"],
        arrival=now - 7200,
        client=Client("192.0.2.7", sasl_username="info@Example.com"),
    )
    add(
        "six",
        "Subject: six\n\n",
        "six@example.net",
        ["l@mail.example.com"],
        "hold",
        arrival=now - 86400 * 8,
        client=Client("2001:db8::7", "six.example.net"),
    )
    add("notice", NOTICE, "", ["spammer@example.net"], arrival=now - 500, client=Client("192.0.2.99"))
    add("big", BIG, "Big@example.com", ["b@example.net"], arrival=now - 500)
    add("waiting", "\n", "wait@example.com", ["w@example.net"], "maildrop", arrival=now - 500)
    return sample


@pytest.fixture(params=["qmail", "postfix"])
def sample(request, tmp_path):
    """A queue of each MTA with the same messages in it."""
    return {"qmail": _qmail, "postfix": _postfix}[request.param](tmp_path / "queue")
