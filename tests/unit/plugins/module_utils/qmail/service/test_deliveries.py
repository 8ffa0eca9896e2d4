"""What the arguments of deliveries say, and how they are shown."""

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.host.procfs import Procfs
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.service import deliveries as engine
from tests.support.fake_proc import FakeProc

LOCAL = [
    b"bin/qmail-local",
    b"--",
    b"joe",
    b"/home/joe",
    b"joe-list",
    b"-",
    b"list",
    b"example.com",
    b"s@example.net",
    b"./Mailbox",
]


@pytest.mark.parametrize(
    ("channel", "arguments", "expected"),
    [
        ("remote", [b"qmail-remote", b"h", b"s@a", b"r@h"], (b"h", b"s@a", [b"r@h"])),
        ("remote", [b"/opt/wrapper", b"h", b"", b"r@h", b"q@h"], (b"h", b"", [b"r@h", b"q@h"])),
        ("remote", [b"qmail-rspawn", b"a", b"b", b"c"], (None, None, [])),
        ("remote", [b"qmail-remote", b"h"], (None, None, [])),
        ("local", LOCAL, (None, b"s@example.net", [b"joe-list@example.com"])),
        ("local", [LOCAL[0]] + LOCAL[2:], (None, b"s@example.net", [b"joe-list@example.com"])),
        ("local", [b"qmail-lspawn", b"./Mailbox"], (None, None, [])),
        ("local", [b"bin/qmail-getpw", b"joe"], (None, None, [])),
        ("local", LOCAL[:6], (None, None, [])),
        ("remote", [], (None, None, [])),
        ("local", [], (None, None, [])),
    ],
)
def test_arguments(channel, arguments, expected):
    assert engine.parse_arguments(channel, arguments) == expected


@pytest.fixture
def running(tmp_path):
    """qmail-send with two deliveries, next to another qmail's and to what is no delivery."""
    fake = FakeProc(tmp_path)
    for first in (100, 200):
        fake.add(first, "qmail-send")
        fake.add(first + 1, "qmail-lspawn", parent=first)
        fake.add(first + 2, "qmail-rspawn", parent=first)
        fake.add(first + 3, "qmail-clean", parent=first)
        fake.add(
            first + 4,
            "qmail-remote",
            parent=first + 2,
            start=60,
            arguments=[b"qmail-remote", b"h\x1b[2J", b"s@a", b"\xe2\x80\xaer@h" + b"x" * 999] + [b"q@h"] * 30,
        )
        fake.add(first + 5, "qmail-local", parent=first + 1, start=50, arguments=LOCAL)
        fake.add(first + 6, "sh", parent=first + 5)
    return Procfs(fake.root)


def test_only_those_of_this_qmail_send(running):
    found = engine.find_deliveries(running.process(100), running)
    assert [(one.process.pid, one.channel) for one in found] == [(105, "local"), (104, "remote")]


def test_hostile_text_is_harmless_and_bounded(running):
    remote = engine.find_deliveries(running.process(100), running)[1]
    assert remote.host == "h\\x1b[2J"
    assert remote.recipients[0].startswith("\\u202er@h")
    assert len(remote.recipients[0]) == 320
    assert (len(remote.recipients), remote.recipient_count) == (20, 31)


def test_sentence(running):
    found = engine.find_deliveries(running.process(100), running)
    text = engine.sentence(found)
    assert text.startswith("2 in flight: local delivery to joe-list@example.com, for 999 s, pid 105; remote delivery ")
    assert " and 30 more at h\\x1b[2J, for 999 s, pid 104" in text
    assert engine.sentence(found * 3).endswith("; 3 more")
    assert engine.sentence([]) == "no delivery in flight is seen"
