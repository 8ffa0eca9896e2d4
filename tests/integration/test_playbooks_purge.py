"""Purge, quarantine and restore, run as an operator runs them, on queues made here."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import shlex
import time
from pathlib import Path

import pytest

from tests.support.playing import NOTHING_LISTENS, PLAYER, at, playbook_text
from tests.support.postfix_queue import Client, PostfixQueue
from tests.support.qmail_queue import QmailQueue

ROOT = Path(__file__).resolve().parents[2]
TRAP = "{{ lookup('pipe','touch canary') }}"
SPAM = {"select": {"subject": "canary"}}


def words(**variables):
    return ["-e", json.dumps(variables)]


@pytest.fixture
def qmail(tmp_path):
    queue = QmailQueue(tmp_path / "mx" / "queue", split=3)
    for number in range(30):
        text = "Subject: %s\n\nbuy \x1b[31m now\n" % TRAP
        queue.add(text, b"x\x1b]0;@example.com", remote=["u%d@%s" % (number, TRAP)])
    for _number in range(4):
        queue.add("Subject: kept\n\n", b"a@example.com", local=["l@mail.example.com"])
    return Path(queue.path)


@pytest.fixture
def postfix(tmp_path):
    queue = PostfixQueue(tmp_path / "out" / "spool")
    for number in range(20):
        queue.add(
            "Subject: %s\n\nbuy\n" % TRAP,
            "info@example.com",
            ["u%d@example.net" % number],
            client=Client("203.0.113.9", sasl_username="info@example.com"),
        )
    queue.add("Subject: kept\n\n", "a@example.com", ["b@example.net"])
    return Path(queue.path)


def tree(path):
    """Names, modes, times and contents of all files below `path`."""
    found = {}
    for directory, _names, files in os.walk(path):
        for name in files:
            file = Path(directory) / name
            status = file.lstat()
            # A restored qmail queue is nudged through its trigger.
            if name != "trigger":
                kept = status.st_mode, status.st_ino, status.st_mtime_ns
                found[str(file.relative_to(path))] = kept, file.read_bytes()
    return found


def messages(path):
    return sum(len(files) for _path, _names, files in os.walk(path))


def pages(text):
    """The lines that our own action plugins wrote, without commands."""
    page = r"^TASK \[Show the (?:plan|result|quarantines)\] \*+\n(.*?)^(?:ok:|fatal:|\[ERROR\]|failed:)"
    found = re.findall(page, text, re.MULTILINE | re.DOTALL)
    assert found
    return [line for page in found for line in page.splitlines() if not line.startswith("  ansible-playbook ")]


def test_a_fleet_is_purged_and_restored(play, qmail, postfix, tmp_path):
    hosts = {
        "qmail": {"mx1": at(qmail), "wrong": at(tmp_path / "nowhere")},
        "postfix": {"out1": at(postfix)},
        "unknown": {"gone": NOTHING_LISTENS},
    }
    before = tree(qmail), tree(postfix)
    # The others of these tests are pipelined.
    made = play("mailops.rescue.purge", hosts, *words(confirm=False, label="spam", **SPAM), ANSIBLE_PIPELINING="0")
    assert made.status == 2
    assert "WOULD PURGE  50 messages, " in made.text
    assert "on 2 of 4 hosts, 2 FAILED" in " ".join(made.text.split())
    assert "  Before  34 messages: 4 local, 30 remote\n  After   4 messages: 4 local, 0 remote\n" in made.text
    assert "  Before  21 messages: 21 deferred\n  After   1 message: 1 deferred\n" in made.text
    assert "  Subjects\n         30  %s\n" % TRAP in made.text
    assert re.search(r"^NOT POSSIBLE\n  gone: unreachable: ", made.text, re.MULTILINE)
    assert re.search(r"^  wrong: queue_directory:", made.text, re.MULTILINE)
    assert '"msg": "2 of 4 hosts failed; see NOT POSSIBLE and FAILED above"' in made.text
    assert all(len(line) <= 72 for line in pages(made.text))
    assert messages(qmail / "mess") == 4 and messages(postfix / "deferred") == 1
    commands = made.commands()
    assert len(commands) == 2
    for command, host in zip(commands, ("mx1", "out1")):
        given = shlex.split(command)
        assert given[:2] == ["ansible-playbook", "mailops.rescue.restore"] and given[given.index("-l") + 1] == host
        back = play.run([str(PLAYER), *given[1:], *words(confirm=False, release=True)], ANSIBLE_PIPELINING="0")
        assert back.status == 0, back.text
        assert "none left in the batch" in back.text
    assert (tree(qmail), tree(postfix)) == before


def test_the_quarantine_is_shown(play, qmail, postfix):
    hosts = {"qmail": {"mx1": at(qmail)}, "postfix": {"out1": at(postfix)}}
    assert play("mailops.rescue.purge", hosts, *words(confirm=False, label=TRAP.replace("{", "("), **SPAM)).status == 0
    made = play("mailops.rescue.quarantine", hosts, *words(batch="latest", verify=True))
    assert made.status == 0, made.text
    assert "QUARANTINE  50 messages in 2 batches" in made.text
    assert "  30 messages verified, no file differs\n" in made.text and "  20 messages verified" in made.text
    assert '    select {"subject": "canary"}\n' in made.text
    assert "  Logins\n         20  info@example.com\n" in made.text
    assert all(len(line) <= 72 for line in pages(made.text))
    file = next(Path(str(qmail) + ".quarantine").glob("*/files/mess/*/*"))
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    made = play("mailops.rescue.quarantine", hosts, *words(verify=True), "-l", "mx1")
    assert made.status == 2
    assert "  29 messages verified, 1 fault\n" in made.text
    assert re.search(r"  !! mess/\S+ differs from the ledger in sha256", made.text)


@pytest.mark.parametrize("given", [[], ["-e", "confirm=true"]])
def test_without_a_terminal_and_without_confirm_nothing_is_changed(play, qmail, given):
    before = tree(qmail)
    made = play("mailops.rescue.purge", {"qmail": {"mx1": at(qmail)}}, *words(**SPAM), *given)
    assert made.status == 2
    assert "WOULD PURGE  30 messages" in made.text
    assert "If no one can answer, use confirm=false." in made.text
    assert tree(qmail) == before and not os.path.exists(str(qmail) + ".quarantine")


def test_check_mode_shows_and_asks_nothing(play, qmail):
    before = tree(qmail)
    made = play("mailops.rescue.purge", {"qmail": {"mx1": at(qmail)}}, *words(**SPAM), "--check")
    assert made.status == 0, made.text
    assert "WOULD PURGE  30 messages" in made.text and "This was a check: nothing was changed." in made.text
    assert "TASK [Show the result]" not in made.text or "PURGED  " not in made.text
    assert tree(qmail) == before and not os.path.exists(str(qmail) + ".quarantine")


def on_a_terminal(play, answer, *arguments):
    """Run a playbook on a terminal, type `answer` when it asks; return its exit status and what it wrote."""
    directory = play.directory
    environment = dict(
        os.environ,
        ANSIBLE_COLLECTIONS_PATH=str(directory),
        ANSIBLE_NOCOLOR="1",
        _ANSIBLE_TEMPLAR_UNTRUSTED_TEMPLATE_BEHAVIOR="error",
    )
    environment.pop("ANSIBLE_CONFIG", None)
    pid, fd = pty.fork()
    if pid == 0:
        os.chdir(directory)
        os.execve(str(PLAYER), [str(PLAYER), *arguments], environment)
    seen, end = b"", time.monotonic() + 90
    # Not select(), which refuses descriptors above 1023.
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    try:
        while time.monotonic() < end:
            if poll.poll(500):
                try:
                    piece = os.read(fd, 65536)
                except OSError:
                    break
                seen += piece
                if answer is not None and b"Type yes to go on" in seen:
                    time.sleep(0.5)
                    os.write(fd, answer + b"\r")
                    answer = None
    finally:
        os.close(fd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen.decode("utf-8", "replace").replace("\r\n", "\n")


@pytest.mark.parametrize(("answer", "purged"), [(b"yes", True), (b"no", False), (b"", False)])
def test_it_asks_on_a_terminal(play, qmail, answer, purged):
    before = tree(qmail)
    play.hosts({"qmail": {"mx1": at(qmail)}})
    status, text = on_a_terminal(play, answer, "mailops.rescue.purge", "-i", "hosts.yml", *words(**SPAM))
    assert "Take 30 messages out of the queues of 1 host, into quarantine? Type yes to go on" in text
    assert text.count("Type yes to go on:") == 1
    if purged:
        assert status == 0, text
        assert "PURGED  30 messages" in text and messages(qmail / "mess") == 4
    else:
        assert status == 2
        assert "Nothing was changed on these hosts, because the answer was not yes." in " ".join(text.split())
        assert tree(qmail) == before


def test_nothing_to_purge_asks_nothing(play, qmail):
    made = play("mailops.rescue.purge", {"qmail": {"mx1": at(qmail)}}, *words(select={"subject": "^no such$"}))
    assert made.status == 0, made.text
    assert "WOULD PURGE  0 messages" in made.text and "NOTHING TO DO\n  mx1\n" in made.text
    assert not os.path.exists(str(qmail) + ".quarantine")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({}, "Say which messages to remove"),
        ({"exclude": {"subject": "x"}}, "Say which messages to remove"),
        ({"select": {}}, "select: expected a selection of messages"),
        ({"select": "{{ no_such_variable }}"}, "no_such_variable"),
        ({"select": {"subject": "canary"}, "exclude": "{{ no_such_variable }}"}, "no_such_variable"),
        ({"select": {"subject": "canary"}, "mailops_queue_directory": "{{ no_such_variable }}"}, "no_such_variable"),
        ({"select": {"subject": "canary"}, "max_messages": "{{ no_such_variable }}"}, "no_such_variable"),
        ({"select": {"subject": "canary"}, "quarantine": "{{ no_such_variable }}"}, "no_such_variable"),
        ({"select": {"subject": "canary"}, "max_messages": 29}, "max_messages: 30 messages are selected"),
    ],
)
def test_what_is_not_said_clearly_changes_nothing(play, qmail, given, reason):
    before = tree(qmail)
    made = play("mailops.rescue.purge", {"qmail": {"mx1": at(qmail)}}, *words(confirm=False, **given))
    assert made.status == 2
    assert reason in " ".join(made.text.split())
    assert tree(qmail) == before and not os.path.exists(str(qmail) + ".quarantine")


@pytest.mark.parametrize("fatal", ["true", "false"])
def test_a_failing_host_stops_no_wave(play, qmail, postfix, tmp_path, fatal):
    hosts = {
        "a": {"a-wrong": at(tmp_path / "nowhere"), "a-gone": NOTHING_LISTENS},
        "b": {"b1": at(qmail)},
        "c": {"c1": at(postfix)},
    }
    made = play(
        "mailops.rescue.purge",
        hosts,
        *words(confirm=False, waves=[2, 1], **SPAM),
        ANSIBLE_ANY_ERRORS_FATAL=fatal,
        ANSIBLE_STRATEGY="free",
    )
    assert made.status == 2
    assert made.text.count("WOULD PURGE") == 3
    assert made.text.count("\nPURGED  ") == 2
    assert messages(qmail / "mess") == 4 and messages(postfix / "deferred") == 1
    assert '"msg": "2 of 4 hosts failed; see NOT POSSIBLE and FAILED above"' in made.text


def test_a_purge_that_fails_is_named(play, qmail, postfix):
    """Another run is at work on the quarantine, which only the real run can know."""
    quarantine = str(qmail) + ".quarantine"
    os.mkdir(quarantine, 0o700)
    fd = os.open(quarantine, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    hosts = {"qmail": {"mx1": at(qmail)}, "postfix": {"out1": at(postfix)}}
    made = play("mailops.rescue.purge", hosts, *words(confirm=False, **SPAM))
    os.close(fd)
    assert made.status == 2
    assert "WOULD PURGE  50 messages" in made.text and "PURGED  20 messages" in made.text
    assert re.search(r"^FAILED\n  mx1: quarantine: another run is at work", made.text, re.MULTILINE)
    assert messages(qmail / "mess") == 34 and messages(postfix / "deferred") == 1
    assert '"msg": "1 of 2 hosts failed; see NOT POSSIBLE and FAILED above"' in made.text


def test_discard_is_said_and_offers_no_undo(play, qmail):
    hosts = {"qmail": {"mx1": at(qmail)}}
    made = play("mailops.rescue.purge", hosts, *words(confirm=False, quarantine="discard", **SPAM))
    assert made.status == 0, made.text
    assert "  !! For good: nothing can bring them back (quarantine=discard).\n" in made.text
    assert "  30 messages removed for good\n" in made.text
    assert made.commands() == [] and not os.path.exists(str(qmail) + ".quarantine")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({}, "Say which batch"),
        ({"batch": "20200101T000000Z-0000"}, "batch: there is no batch 20200101T000000Z-0000"),
        ({"batch": "latest", "select": "{{ no_such_variable }}"}, "no_such_variable"),
    ],
)
def test_a_restore_must_say_what(play, qmail, given, reason):
    hosts = {"qmail": {"mx1": at(qmail)}}
    assert play("mailops.rescue.purge", hosts, *words(confirm=False, **SPAM)).status == 0
    made = play("mailops.rescue.restore", hosts, *words(confirm=False, **given))
    assert made.status == 2
    assert reason in " ".join(made.text.split())
    assert messages(qmail / "mess") == 4


def test_a_part_is_restored_onto_hold(play, postfix):
    hosts = {"postfix": {"out1": at(postfix)}}
    assert play("mailops.rescue.purge", hosts, *words(confirm=False, **SPAM)).status == 0
    part = {"recipient": "^u1@"}
    made = play("mailops.rescue.restore", hosts, *words(batch="latest", select=part), "--check")
    assert made.status == 0, made.text
    assert "WOULD RESTORE  1 message, " in made.text
    made = play("mailops.rescue.restore", hosts, *words(batch="latest", select=part, confirm=False))
    assert made.status == 0, made.text
    assert "  1 message put back, 19 left in the batch\n  They are on hold" in made.text
    assert messages(postfix / "hold") == 1 and messages(postfix / "deferred") == 1


def test_every_variable_is_documented():
    documented = (ROOT / "docs" / "purge.md").read_text(encoding="utf-8")
    for name in ("purge", "restore", "quarantine"):
        used = playbook_text(name)
        names = set(re.findall(r"'(\w+)' in __mailops_set", used))
        names |= set(re.findall(r"(?:\{\{|-|or \() ?(\w+) \| default", used))
        names = {one for one in names if not one.startswith(("__", "mailops_a", "mailops_plan"))}
        assert len(names) > 10
        rows = re.findall(r"^\| (.*?) \| ((?:\w+, )*\w+) \|", documented, re.MULTILINE)
        told = {
            one
            for row, books in rows
            for one in re.findall(r"`(\w+)`", row)
            if books == "all" or name in books.split(", ")
        }
        assert names == told
