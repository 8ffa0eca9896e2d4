"""The pass itself: who is asked for what, and what a failure costs."""

import os
from types import SimpleNamespace

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError, Vanished
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.reader import PostfixReader
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue.reader import QmailReader
from ansible_collections.mailops.rescue.plugins.module_utils.scan import scan
from ansible_collections.mailops.rescue.plugins.module_utils.scan.selection import Selection
from ansible_collections.mailops.rescue.plugins.module_utils.scan.time_limit import OVERLAP, TimeLimit
from tests.support.inspecting import deadline, queue_info


@pytest.mark.parametrize(("wanted", "cores", "expected"), [(3, 64, 3), (0, 1, 1), (0, 3, 3), (0, 64, 3)])
def test_process_count(monkeypatch, wanted, cores, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(cores)), raising=False)
    assert scan.process_count(wanted) == expected


def test_process_count_without_affinities(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert scan.process_count(0) == 1


@pytest.fixture
def short_hold(monkeypatch):
    """Search as little text at a time as is possible, so that there are seams."""
    monkeypatch.setattr(scan, "_HELD", OVERLAP + 1000)


def searched(pieces, pattern):
    reader = SimpleNamespace(body=lambda message: iter(pieces))
    test = Selection({"body": pattern}).steps[0][1][0]
    with TimeLimit(30) as limit:
        limit.begin()
        return test(None, scan.Context(0, reader, limit))


def split(data, size):
    return [data[at : at + size] for at in range(0, len(data), size)]


@pytest.mark.parametrize("size", [1000, 4096, 9000, 65537, 10**6])
@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("^needle$", True),
        ("line 0{5}1\n.*line 000002", True),
        (r"\Aline 000000", True),
        (r"end\Z", True),
        ("^eedle", False),
        (r"needle\Z", False),
        ("ne$", False),
        ("日本語テキスト", True),
        ("line 020000", False),
    ],
)
def test_body_in_pieces_is_one_text(short_hold, size, pattern, found):
    text = "".join("line %06d\n" % number for number in range(20000)).replace("line 013333", "needle")
    data = text.replace("line 009999", "日本語テキスト").encode() + b"end"
    assert searched(split(data, size), pattern) is found


@pytest.mark.parametrize("pieces", [[], [b""], [b"", b"x"]])
def test_empty_body(pieces):
    assert searched(pieces, "^x") is (pieces == [b"", b"x"])


@pytest.mark.parametrize("size", [997, 65536])
def test_match_across_pieces_of_a_body_without_line_ends(size):
    assert searched(split(b"x" * 1500000 + b"needle" + b"y" * 1500000, size), "xneedley") is True


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), Vanished()])
def test_one_message_that_cannot_be_read_hides_no_other(sample, monkeypatch, error):
    reader = {"qmail": QmailReader, "postfix": PostfixReader}[sample.mta]
    load = reader.load

    def failing(self, message, fields):
        if message.id == sample["six"]:
            raise error
        return load(self, message, fields)

    monkeypatch.setattr(reader, "load", failing)
    result = queue_info(sample.path)
    assert sample.names(result) == ["big", "notice", "stolen", "waiting", "web"]
    if isinstance(error, OSError):
        assert (result["counts"]["total"], result["damaged_count"], result["vanished"]) == (6, 1, 0)
        assert result["damaged"][0]["reason"] == "cannot be read: Input/output error"
        assert result["damaged"][0]["path"].endswith(sample["six"])
    else:
        assert (result["counts"]["total"], result["damaged_count"], result["vanished"]) == (5, 0, 1)


@pytest.mark.parametrize("end", ["dies", "fails"])
def test_process_that_ends_is_an_error_and_not_a_small_queue(sample, monkeypatch, end):
    monkeypatch.setattr(scan, "_WORTH_A_PROCESS", 0)
    reader = {"qmail": QmailReader, "postfix": PostfixReader}[sample.mta]
    parent, read = os.getpid(), reader.read

    def ending(self, part, problem):
        if os.getpid() != parent:
            if end == "dies":
                os._exit(9)
            raise RuntimeError("broken")
        return read(self, part, problem)

    monkeypatch.setattr(reader, "read", ending)
    reason = {"dies": "ended unexpectedly", "fails": "RuntimeError: broken"}[end]
    with deadline(20), pytest.raises(RescueError, match="A process that read the queue failed: " + reason):
        queue_info(sample.path, workers=2)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_no_more_is_loaded_than_is_asked_for(sample, monkeypatch):
    """A selection by cheap fields decides before dear ones are read."""
    reader = {"qmail": QmailReader, "postfix": PostfixReader}[sample.mta]
    asked = []
    load = reader.load

    def noting(self, message, fields):
        asked.append((message.id, fields))
        return load(self, message, fields)

    monkeypatch.setattr(reader, "load", noting)
    queue_info(sample.path, select={"ids": sample["web"], "body": "body"})
    assert {queue_id for queue_id, unused in asked} == {sample["web"]}


@pytest.mark.parametrize(
    ("pieces", "pattern", "found"),
    [
        ([b"x\n" * OVERLAP + b"alpha\n", b"beta\n" + b"x\n" * OVERLAP], "alpha\nbeta", True),
        ([b"x\n" * OVERLAP + b"alp", b"ha\n"], "^alpha$", True),
        ([b"x" * 2 * OVERLAP + b"\n", b"beta\n"], "x\n^beta", True),
        # What is carried over begins within a line.
        ([b"a" * OVERLAP + b"b" * 2 * OVERLAP + b"\n", b"c\n"], "^b", False),
        ([b"a" * OVERLAP + b"b" * 2 * OVERLAP + b"\n", b"c\n"], r"\Ab", False),
    ],
)
def test_seams_between_pieces(short_hold, pieces, pattern, found):
    assert searched(pieces, pattern) is found
