"""Bytes to start from: what the queue builders write, the test data of the parsers, and real queues."""

__all__ = ["corpus"]

import tarfile
import tempfile
from functools import lru_cache
from pathlib import Path

import yaml

from tests.support.archives import QMAIL
from tests.support.postfix_queue import Client, PostfixQueue, Recipient
from tests.support.postfix_records import content_records, defer_entry, record
from tests.support.qmail_queue import QmailQueue, failure_notice

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "unit" / "plugins" / "module_utils" / "data"
LONGEST = 8192
END = record("X") + record("E")
NOW = 1795292592.25
RECEIVED = [
    b"Received: from localhost (localhost [127.0.0.1])\n\tby mail.example.com (Postfix) with ESMTP id 4Ab; x\n"
    b"Received: from mail.example.com ([127.0.0.1])\n\tby localhost (x [127.0.0.1]) (amavisd-new, port 10024)\n"
    b"Received: from pc1 (unknown [IPv6:2001:db8::9])\n\t(using TLSv1.3 with cipher X (256/256 bits))\n"
    b"\t(Authenticated sender: info@example.com)\n\tby mail.example.com (Postfix) with ESMTPSA id 4Ac; x\n\n",
    b"Received: by mail.example.com (A (B), from userid 104)\n\tid 4Ab; x\n"
    b"Received: by mail.example.com (A (B), from userid 33)\n\tid 4Ac; x\nSubject: x\n\n",
    b"Received: (qmail 105 invoked by uid 89); 21 Nov 2026\nReceived: from 192.0.2.1 by 0"
    b" (envelope-from <a@b>, uid 89) with qmail-scanner-2.11\n"
    b"Received: from x (HELO y) (u@192.0.2.1) by 0 with ESMTPA; x\n\n",
    b"Received: (qmail 101 invoked from network); 21 Nov 2026 19:24:27 -0000\n"
    b"Received: from unknown (HELO x) (user@192.0.2.1)\n  by 0 with ESMTPA; 21 Nov 2026 19:24:27 -0000\n\n",
    b"Received: (qmail 102 invoked by uid 33); 21 Nov 2026 19:24:27 -0000\n\n",
    b"Received: (qmail 103 invoked for bounce); 21 Nov 2026 19:24:27 -0000\n\n",
    b"Received: (qmail 104 invoked from network); 21 Nov 2026 19:24:27 -0000\n"
    b"Received: from host.example (HELO x) (IPv6:2001:db8::1)\n"
    b"  (smtp-auth username info@example.com, mechanism plain)\n  by 0 with SMTP; 21 Nov 2026\n\n",
]


@lru_cache(maxsize=None)
def corpus(kind):
    """Return a list of bytes: `text`, `info`, `channel`, `todo`, `postfix`, `content` or `deferlog`."""
    found = sorted(set(_sources()[kind]))
    assert found, kind
    return found


@lru_cache(maxsize=1)
def _sources():
    texts = list(_texts())
    sources = {
        "text": texts,
        "info": [b"F\0", b"Fa@example.com\0", b"F#@[]\0", b"Flist-@host-@[]\0"],
        "channel": [b"Ta@example.com\0Db@example.com\0", b"T\0", b"Ta@example.com\0" * 300],
        "todo": [b"u33\0p1000\0Fa@example.com\0Tb@example.com\0Tc@example.com\0", b"u0\0p1\0F\0T\0"],
        "content": [content_records(text[:LONGEST], milter) + END for text in texts for milter in (False, True)],
        "postfix": [],
        "deferlog": [],
    }
    with tempfile.TemporaryDirectory() as directory:
        _build(Path(directory), texts)
        _collect(Path(directory), sources)
    with tarfile.open(QMAIL / "qmail-states.tar.xz") as archive:
        for member in archive:
            parts = member.name.split("/")
            if member.isreg() and len(parts) > 2:
                _sort(parts[1], archive.extractfile(member).read(), sources)
    return sources


def _texts():
    for path in DATA.glob("notices/*.eml"):
        yield path.read_bytes()
    for name in ("headers", "encoded_words", "decode"):
        for case in yaml.safe_load((DATA / (name + ".yml")).read_text("utf-8")):
            raw = case["raw"].encode("latin-1") if "raw" in case else case["text"].encode(case["codec"])
            yield raw if name == "headers" else b"Subject: " + raw + b"\n\n" + raw
    yield failure_notice("a@example.com", [("b@example.net", "no")], b"Subject: x\n\nx")
    yield failure_notice("", [("b@example.net", "no")], b"Subject: x\n\nx")
    yield from RECEIVED


def _build(directory, texts):
    postfix, qmail = PostfixQueue(directory / "postfix"), QmailQueue(directory / "qmail", split=1)
    client = Client("192.0.2.1", "host.example.com", sasl_username="info@example.com")
    recipients = [
        Recipient("a@example.com", reason="host mx[192.0.2.2] said: 450 try later", mta="mx"),
        Recipient("b@example.com", status="done"),
        Recipient('"c d"@example.com', status="cancelled", reason="connection timed out"),
    ]
    for number, text in enumerate(texts):
        postfix.add(
            text[:LONGEST],
            "s@example.com" if number % 3 else "",
            recipients,
            extracted=number % 5 == 0,
            client=client if number % 2 else None,
            milter=number % 7 == 0,
            arrival=NOW,
        )
    postfix.add(b"Subject: x\n\nx\n", "s@example.com", recipients, queue="maildrop", arrival=NOW)
    for state in ("S5", "S4"):
        qmail.add(
            b"Subject: x\n\n",
            "s@example.com",
            local=["a@example.com"],
            remote=["b@example.com"],
            state=state,
            done=["b@example.com"],
            arrival=NOW,
        )


def _collect(directory, sources):
    for path in directory.glob("*/*/**/*"):
        if path.is_file():
            queue = path.relative_to(directory).parts[1]
            if path.relative_to(directory).parts[0] == "postfix":
                sources["deferlog" if queue == "defer" else "postfix"].append(path.read_bytes()[: 2 * LONGEST])
            else:
                _sort(queue, path.read_bytes(), sources)
    sources["deferlog"].append(defer_entry(b"a@example.com", b"no route", 1) * 3)


def _sort(queue, data, sources):
    kind = {"mess": "text", "info": "info", "local": "channel", "remote": "channel", "todo": "todo"}
    if queue in kind:
        sources[kind[queue]].append(data[:LONGEST] if queue == "mess" else data)
