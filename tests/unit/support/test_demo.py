"""The demo's queues hold what the documentation says of them."""

import re

import pytest

from tests.support.demo import build

NOW = 1795292592.25


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    path = tmp_path_factory.mktemp("demo") / "queues"
    return path, build(path, NOW)


def contents(directory, pattern="*"):
    return [path.read_bytes() for path in directory.rglob(pattern) if path.is_file()]


def test_qmail_queue_is_the_classic_incident(demo):
    queue = demo[0] / "qmail" / "queue"
    mess = contents(queue / "mess")
    assert len(mess) == len(contents(queue / "info")) == demo[1][0] == 2045
    assert len(contents(queue / "local")) == 10
    assert len(contents(queue / "remote")) == 2035
    assert sum(b"Sorry, no mailbox here by that name." in message for message in mess) == 1996
    assert sum(info == b"F\0" for info in contents(queue / "info")) == 1996


def test_flood_started_forty_minutes_ago(demo):
    queue = demo[0] / "qmail" / "queue"
    times = [
        path.stat().st_mtime for path in (queue / "info").rglob("*") if path.is_file() and path.read_bytes() == b"F\0"
    ]
    assert NOW - min(times) == pytest.approx(2400, abs=1)
    assert max(times) < NOW


def test_postfix_queues(demo):
    postfix = demo[0] / "postfix"
    counts = {
        name: len(contents(postfix / name))
        for name in ("deferred", "defer", "active", "hold", "incoming", "maildrop", "corrupt")
    }
    assert counts == {
        "deferred": 1680,
        "defer": 1680,
        "active": 6,
        "hold": 4,
        "incoming": 3,
        "maildrop": 2,
        "corrupt": 1,
    }
    assert demo[1][1] == sum(counts.values()) - counts["defer"]
    stolen = [data for data in contents(postfix / "deferred") if b"sasl_username=info@example.com" in data]
    assert len(stolen) == 1500
    clients = {re.search(rb"[^_]client_address=([0-9.]+)", data).group(1) for data in stolen}
    assert clients == {b"203.0.113.44", b"198.51.100.201"}


def test_only_documentation_addresses(demo):
    allowed = rb"(?:192\.0\.2|198\.51\.100|203\.0\.113)\.\d+|10\.0\.0\.5"
    for data in contents(demo[0]):
        for address in re.findall(rb"\d+\.\d+\.\d+\.\d+", data):
            assert re.fullmatch(allowed, address), address
        for domain in re.findall(rb"@([a-z0-9.-]+)", data):
            assert re.search(rb"(?:^|\.)example\.(?:com|net|org)$|^exa$", domain), domain


def test_a_second_build_replaces_the_first_and_equals_it(tmp_path):
    first = _mail(tmp_path)
    assert _mail(tmp_path) == first


def _mail(path):
    build(path, NOW)
    return sorted(
        contents(path / "qmail" / "queue" / "remote")
        + contents(path / "qmail" / "queue" / "info")
        + contents(path / "postfix" / "defer")
    )
