"""Recipients, attributes and text of real-format files."""

import shutil
from pathlib import Path

import pytest

from tests.support.inspecting import message, queue_info
from tests.support.postfix_queue import Client, PostfixQueue, Recipient
from tests.support.postfix_records import record
from tests.unit.plugins.module_utils.postfix.paths import place

REAL = Path(__file__).resolve().parents[4] / "support" / "postfix"
MANY = ["r%05d@example.net" % number for number in range(20000)]


def test_recipients_done_and_cancelled(queue):
    name = queue.add(
        "x\n",
        "a@example.com",
        [Recipient("d@example.net", "done"), Recipient("c@example.net", "cancelled"), Recipient("p@example.net")],
    )
    result = queue_info(queue.path)
    found = message(result, name)
    assert [(one["address"], one["status"]) for one in found["recipients"]] == [
        ("d@example.net", "done"),
        ("p@example.net", "pending"),
    ]
    assert found["recipient_count"] == 2
    for address, matched in (("p@", 1), ("d@", 0), ("c@", 0)):
        assert queue_info(queue.path, select={"recipient": address})["counts"]["matched"] == matched


@pytest.mark.parametrize("milter", [False, True])
@pytest.mark.parametrize("extracted", [False, True])
@pytest.mark.parametrize("recipients", [["b@example.net", "c@example.org"], MANY])
def test_recipients_wherever_they_stand(queue, milter, extracted, recipients):
    name = queue.add("To: x\nSubject: y\n\nbody\n", "a@example.com", recipients, extracted=extracted, milter=milter)
    result = queue_info(queue.path, content="message")
    found = message(result, name)
    assert [one["address"] for one in found["recipients"]] == recipients[:20]
    assert found["recipient_count"] == len(recipients)
    assert (found["subject"], result["damaged"]) == ("y", [])
    assert found["content"].endswith("To: x\nSubject: y\n\nbody\n")
    assert result["top"]["recipient_domain"][0] == {"value": "example.net", "count": 1}


def test_reasons_of_many_recipients(queue):
    name = queue.add("x\n", "a@example.com", [Recipient(one, reason="late " + one[:3]) for one in MANY[:3000]])
    result = queue_info(queue.path)
    assert [one["delay_reason"] for one in message(result, name)["recipients"]] == ["late r00"] * 20
    assert {one["value"] for one in result["top"]["delay_reason"]} == {"late r00", "late r01", "late r02"}


def test_reasons_of_quoted_and_8_bit_addresses(queue):
    name = queue.add(
        "x\n",
        "a@example.com",
        [
            Recipient('"a b"@example.net', reason="quoted"),
            Recipient("plain@example.net", reason="plain"),
            Recipient("あ@example.net", reason="8-bit"),
        ],
    )
    found = message(queue_info(queue.path), name)
    assert [one["delay_reason"] for one in found["recipients"]] == ["quoted", "plain", "8-bit"]


@pytest.mark.parametrize(
    ("client", "address", "name", "user"),
    [
        (
            Client("192.0.2.7", "h.example.net", sasl_username="info@example.com"),
            "192.0.2.7",
            "h.example.net",
            "info@example.com",
        ),
        (Client("192.0.2.7"), "192.0.2.7", None, None),
        (Client("2001:db8::7", "six.example.net"), "2001:db8::7", "six.example.net", None),
        (None, None, None, None),
    ],
)
def test_client(queue, client, address, name, user):
    number = queue.add("x\n", "a@example.com", ["b@example.net"], client=client)
    found = message(queue_info(queue.path), number)
    assert (found["client_address"], found["client_name"], found["sasl_username"]) == (address, name, user)


@pytest.mark.parametrize(
    ("attributes", "address"),
    [
        ([b"client_address=127.0.0.1", b"log_client_address=192.0.2.7"], "192.0.2.7"),
        ([b"client_address=192.0.2.8"], "192.0.2.8"),
        ([b"log_client_address=IPv6:2001:db8::1"], "2001:db8::1"),
        ([b"log_client_address=unknown", b"client_address=unknown"], None),
        ([b"client_address="], None),
    ],
)
def test_client_after_a_content_filter(queue, attributes, address):
    records = b"".join(record("A", one) for one in attributes)
    data = record("S", b"a@example.com") + records + record("R", b"b@example.net") + record("M") + record("N", b"x")
    name = queue.add_raw("hold", data + record("X") + record("E"))
    assert message(queue_info(queue.path), name)["client_address"] == address


@pytest.mark.parametrize(("client", "uid"), [(None, 33), (Client("192.0.2.7"), None)])
def test_uid_of_local_mail_out_of_pickups_line(queue, client, uid):
    content = "Received: by forged (Postfix, from userid 99)\n\tid X; x\nSubject: y\n\n"
    name = queue.add(content, "a@example.com", ["b@example.net"], client=client, uid=33)
    assert message(queue_info(queue.path), name)["origin_uid"] == uid


def test_maildrop_is_believed_nothing(tmp_path):
    """Anybody may write there what pickup and cleanup will throw away."""
    queue = PostfixQueue(tmp_path)
    name = queue.add("Subject: x\n\n", "a@example.com", ["b@example.net"], "maildrop")
    path = tmp_path / "maildrop" / name
    forged = record("C", b"%15d %15d %15d" % (10**12, 0, 99))
    for one in (b"sasl_username=boss", b"client_address=192.0.2.1", b"log_client_address=192.0.2.1"):
        forged += record("A", one)
    data = path.read_bytes()
    path.write_bytes(forged + data)
    found = message(queue_info(tmp_path), name)
    assert (found["sasl_username"], found["client_address"], found["client_name"]) == (None, None, None)
    assert found["size"] == len(forged + data)
    assert found["origin_uid"] == path.stat().st_uid
    for select in ({"sasl_username": "boss"}, {"client_address": "192.0.2.1"}):
        assert queue_info(tmp_path, select=select)["counts"]["matched"] == 0


@pytest.mark.parametrize("name", sorted(path.name for path in REAL.iterdir() if path.suffix != ".defer"))
def test_files_of_a_real_postfix(queue, name):
    label, queue_id = name.split(".")
    queue_name = "maildrop" if label == "maildrop" else "deferred"
    shutil.copy(REAL / name, "%s/%s/%s" % (queue.path, queue_name, queue_id))
    (Path(queue.path) / queue_name / queue_id).chmod(0o700)
    log = REAL / (name + ".defer")
    if log.exists():
        shutil.copy(log, "%s/defer/%s" % (queue.path, queue_id))
    result = queue_info(queue.path)
    found = message(result, queue_id)
    expected = {
        "maildrop": ("www-data", ["t@example.net"], None, None),
        "sasl-milter": ("", ["x@example.net"], "info@example.com", "bounce like"),
        "sendmail-t": ("web@mail.example.com", ["a@example.net", "b@example.org"], None, "sendmail -t"),
        "smtp-long-id": ("info@example.com", ["v1@example.net"], None, None),
        "three-recipients": (
            "info@example.com",
            ["v1@example.net", "v2@example.org", "v3@example.net"],
            None,
            "hello folded",
        ),
    }[label]
    shown = [one["address"] for one in found["recipients"]]
    assert (found["sender"], shown, found["sasl_username"], found["subject"]) == expected
    reason = "connect to 192.0.2.9[192.0.2.9]:25: Network is unreachable" if log.exists() else None
    assert {one["delay_reason"] for one in found["recipients"]} == {reason}
    assert found["arrival_time"].startswith("2026-11-21T20:2")


@pytest.mark.parametrize("lines", [1, 300, 5000, 150000])
def test_content_of_any_size(queue, lines):
    body = "".join("line %06d %s\n" % (number, "x" * 56) for number in range(lines))
    name = queue.add("Subject: long\n\n" + body, "a@example.com", ["b@example.net"])
    last = "line %06d" % (lines - 1)
    for body_pattern, matched in (("^" + last, 1), ("^line %06d" % lines, 0)):
        result = queue_info(queue.path, select={"body": body_pattern})
        assert (result["counts"]["matched"], result["damaged"]) == (matched, [])
    found = message(queue_info(queue.path), name)
    assert len(body) < found["size"] < len(body) + 600 + 4 * lines


@pytest.mark.parametrize("length", [100, 2047, 2048, 2049, 15000, 17000, 90000])
def test_long_header_section(queue, length):
    name = queue.add("X-Long: " + "y" * length + "\nSubject: behind it\n\nbody\n", "a@example.com", ["b@example.net"])
    assert message(queue_info(queue.path), name)["subject"] == "behind it"


def test_size_is_that_of_the_content(queue):
    name = queue.add("Subject: x\n\nbody\n", "a@example.com", ["b@example.net"])
    data = Path(queue.path, place(queue, name)).read_bytes()
    assert message(queue_info(queue.path), name)["size"] == int(data[2:17])
