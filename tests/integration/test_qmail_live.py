"""Reading the queue of a real qmail that runs."""

import os
import pwd
import re
import shutil
import subprocess
import threading
import time

import pytest

from tests.support.inspecting import queue_info
from tests.support.real_qmail import qmail_home
from tests.support.running_qmail import RunningQmail

ME = "mail.example.com"
SMTP = b"HELO pc1\r\nMAIL FROM:<%s>\r\nRCPT TO:<%s>\r\nDATA\r\nSubject: %s\r\n\r\nbody\r\n.\r\nQUIT\r\n"
# What a sender puts there himself.
FORGED = (
    b"Received: from unknown (HELO x) (victim@example.com@198.51.100.1)\n"
    b"  by mail.example.com with ESMTPA; 21 Nov 2026 19:24:27 -0000\n"
)
NOBODYS = 61234


@pytest.fixture(scope="module")
def qmail():
    if qmail_home() is None:
        pytest.skip("NOT TESTED AGAINST A REAL QMAIL: none in $QMAIL_HOME or /var/qmail")
    if os.getuid() != 0:
        pytest.skip("NOT TESTED AGAINST A REAL QMAIL: needs root")
    try:
        context = RunningQmail(qmail_home()).__enter__()
    except RuntimeError as error:
        pytest.skip("NOT TESTED AGAINST A REAL QMAIL: %s" % error)
    try:
        yield context
    finally:
        context.__exit__(None, None, None)


def inject(qmail, subject, sender, *recipients, **options):
    text = "From: %s\nSubject: %s\n\nbody\n" % (sender or "x@example.net", subject)
    qmail.program("qmail-inject", "-a", "-f", sender, *recipients, input=text.encode(), **options)


def over_smtp(qmail, address, subject, name=None, sender=b"who@example.net", recipient=b"gone@mail.example.com"):
    environment = {
        "PATH": os.defpath,
        "PROTO": "TCP",
        "TCPLOCALIP": "192.0.2.25",
        "TCPREMOTEIP": address,
        "RELAYCLIENT": "",
    }
    if name:
        environment["TCPREMOTEHOST"] = name
    out = qmail.program(
        "qmail-smtpd", input=SMTP % (sender, recipient, subject), env=environment, user="qmaild", group="nofiles"
    )
    assert b"250 ok " in out


SCANNER = """#!/bin/sh
{ printf 'Received: by simscan 1.4.0 ppid: 9, pid: 10, t: 0.1s\\n  scanners: clamav: 0.103.3\\n'; cat; } |
    exec %s --reuid=%d --regid=65534 --clear-groups %s/bin/qmail-queue
"""


def through_a_scanner(qmail, directory, uid, address, subject):
    """As qmail-smtpd, with a QMAILQUEUE that runs as `uid`, hands over what a client sent."""
    path = directory / ("scanner%d" % uid)
    path.write_text(SCANNER % (shutil.which("setpriv"), uid, qmail.home))
    path.chmod(0o755)
    environment = {
        "PATH": os.defpath,
        "PROTO": "TCP",
        "TCPLOCALIP": "192.0.2.25",
        "TCPREMOTEIP": address,
        "RELAYCLIENT": "",
        "QMAILQUEUE": str(path),
    }
    sent = SMTP % (b"who@example.net", b"r@example.org", subject)
    sent = sent.replace(b"Subject:", FORGED.replace(b"\n", b"\r\n") + b"Subject:")
    assert b"250 ok " in qmail.program("qmail-smtpd", input=sent, env=environment)


def by_subject(result):
    found = {one["subject"]: one for one in result["messages"]}
    assert len(found) == len(result["messages"])
    return found


@pytest.fixture(scope="module")
def filled(qmail):
    """The result of reading what was injected and then left alone."""
    inject(qmail, "delivered", "a@example.net", "ok@" + ME)
    inject(qmail, "remote", "a@example.net", "r@example.org")
    inject(qmail, "mixed", "a@example.net", "r@example.org", "ok@" + ME)
    inject(qmail, "unknown local user", "victim@example.org", "nobody-here@" + ME)
    inject(qmail, "many", "a@example.net", *["r%03d@example.org" % number for number in range(200)])
    inject(qmail, "null sender", "", "r@example.org")
    drop = [shutil.which("setpriv"), "--reuid=65534", "--regid=65534", "--clear-groups"]
    program = str(qmail.home / "bin" / "qmail-inject")
    if drop[0]:
        subprocess.run(
            drop + [program, "-a", "-fweb@example.com", "r@example.org"],
            check=True,
            timeout=60,
            input=b"Subject: by another user\n\nbody\n",
        )
    over_smtp(qmail, "192.0.2.7", b"over IPv4", "host.example.net", recipient=b"r@example.org")
    over_smtp(qmail, "2001:db8::7", b"over IPv6", recipient=b"r@example.org")
    time.sleep(1)
    qmail.idle()
    time.sleep(1)
    return queue_info(qmail.path, limit=1000)


def test_delivered_mail_has_left(filled):
    assert "delivered" not in by_subject(filled)


def test_remote(filled):
    found = by_subject(filled)["remote"]
    assert (found["state"], found["queue"], found["sender"]) == ("S5", "remote", "a@example.net")
    assert found["recipients"] == [
        {"address": "r@example.org", "status": "pending", "channel": "remote", "delay_reason": None}
    ]
    assert (found["origin_uid"], found["client_address"], found["is_bounce"]) == (0, None, False)


def test_local_part_of_a_mixed_message_is_done(filled):
    found = by_subject(filled)["mixed"]
    pending = [one["address"] for one in found["recipients"] if one["status"] == "pending"]
    assert (found["queue"], pending) == ("remote", ["r@example.org"])


def test_failure_notice_for_the_unknown_user(filled):
    found = by_subject(filled)["failure notice"]
    assert (found["is_bounce"], found["sender"]) == (True, "")
    assert found["bounced_recipients"] == ["nobody-here@" + ME]
    assert [one["address"] for one in found["recipients"]] == ["victim@example.org"]
    assert (filled["bounces"], found["origin_uid"]) == (1, None)


def test_null_sender_alone_is_no_notice(filled):
    found = by_subject(filled)["null sender"]
    assert (found["sender"], found["is_bounce"]) == ("", False)


def test_many_recipients(filled):
    assert by_subject(filled)["many"]["recipient_count"] == 200


def test_another_user(filled):
    if shutil.which("setpriv") is None:
        pytest.skip("NOT TESTED: setpriv is not installed here")
    found = by_subject(filled)["by another user"]
    assert (found["origin_uid"], found["sender"]) == (65534, "web@example.com")


@pytest.mark.parametrize(
    ("subject", "address", "name"),
    [("over IPv4", "192.0.2.7", "host.example.net"), ("over IPv6", "2001:db8::7", None)],
)
def test_from_the_network(filled, subject, address, name):
    found = by_subject(filled)[subject]
    assert (found["client_address"], found["client_name"], found["origin_uid"]) == (address, name, None)
    assert found["sender"] == "who@example.net"


def qread(qmail):
    """Return {id: (sender, {(address, channel, status)})} as qmail-qread tells."""
    found, current = {}, None
    for line in qmail.program("qmail-qread").decode().splitlines():
        head = re.match(r".* GMT  #(\d+)  (\d+)  <(.*)>", line)
        if head:
            current = found[head.group(1)] = (head.group(3), int(head.group(2)), set())
        else:
            channel, address = line.split("\t")[1:3]
            status = "done" if "done" in line.split("\t")[0] + channel else "pending"
            current[2].add((address, channel.replace("done", "").strip(), status))
    return found


def test_same_as_qmail_qread(qmail, filled):
    result = queue_info(qmail.path, limit=1000, select={"larger_than": 0})
    ours = {}
    for one in result["messages"]:
        shown = {(each["address"], each["channel"], each["status"]) for each in one["recipients"]}
        ours[one["id"]] = (one["sender"], one["size"], shown)
    theirs = qread(qmail)
    assert set(ours) == set(theirs)
    for queue_id, (sender, size, recipients) in theirs.items():
        assert ours[queue_id][:2] == (sender, size)
        if len(recipients) <= 20:
            assert ours[queue_id][2] == recipients


def test_same_as_qmail_qstat(qmail, filled):
    numbers = [int(number) for number in re.findall(r": (\d+)", qmail.program("qmail-qstat").decode())]
    counts = queue_info(qmail.path)["counts"]
    assert numbers == [counts["total"], counts["by_queue"]["todo"]]


def test_reading_while_mail_comes_and_goes(qmail, filled):
    settled = len(filled["messages"])
    stop, injected, problems = threading.Event(), [0, 0], []

    def write(number):
        while not stop.is_set():
            try:
                inject(qmail, "come", "a@example.net", "ok@" + ME)
                injected[0] += 1
                if injected[0] % 10 == 0:
                    inject(qmail, "stay", "a@example.net", "r@example.org")
                    injected[1] += 1
            except Exception as error:
                problems.append(error)
                return

    writers = [threading.Thread(target=write, args=(number,)) for number in range(2)]
    for writer in writers:
        writer.start()
    runs, vanished, end = 0, 0, time.monotonic() + 10
    try:
        while time.monotonic() < end:
            before = injected[1]
            result = queue_info(qmail.path, limit=1000, content="message", select={"body": "body"}, workers=1)
            after = sum(injected)
            assert (result["damaged"], result["undecided"]) == ([], [])
            ids = [one["id"] for one in result["messages"]]
            assert len(ids) == len(set(ids))
            assert settled + before - 2 <= result["counts"]["total"] <= settled + after + 4
            assert result["counts"]["matched"] <= result["counts"]["total"]
            vanished += result["vanished"]
            runs += 1
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    assert problems == []
    assert runs > 10
    assert injected[0] > 20
    print("%d runs while %d messages came, %d seen leaving" % (runs, sum(injected), vanished))
    time.sleep(1)
    qmail.idle()
    for _ in range(100):
        counts = queue_info(qmail.path)["counts"]
        if counts["total"] == settled + injected[1]:
            break
        time.sleep(0.1)
    assert counts["total"] == settled + injected[1]


def test_mail_through_a_scanner(qmail, tmp_path):
    if shutil.which("setpriv") is None:
        pytest.skip("NOT TESTED: setpriv is not installed here")
    tmp_path.chmod(0o755)
    for uid in (NOBODYS, pwd.getpwnam("qmaild").pw_uid):
        through_a_scanner(qmail, tmp_path, uid, "203.0.113.9", b"scanned by %d" % uid)
    command = [shutil.which("setpriv"), "--reuid=33", "--regid=33", "--clear-groups"]
    command += [str(qmail.home / "bin" / "qmail-inject"), "-a", "-fweb@example.com", "r@example.org"]
    subprocess.run(command, check=True, timeout=60, input=FORGED + b"Subject: not scanned\n\nbody\n")
    qmail.idle()
    found = by_subject(queue_info(qmail.path, limit=1000, select={"subject": "scanned"}))
    told = {
        subject: (one["origin_uid"], one["client_address"], one["sasl_username"], one.get("origin_from"))
        for subject, one in found.items()
    }
    assert told == {
        "scanned by %d" % NOBODYS: (None, "203.0.113.9", None, "header"),
        "scanned by %d" % pwd.getpwnam("qmaild").pw_uid: (None, "203.0.113.9", None, None),
        "not scanned": (33, None, None, None),
    }
