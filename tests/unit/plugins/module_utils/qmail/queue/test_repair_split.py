"""Into how many directories a queue is to be split, and the change of it."""

import os
from collections import Counter
from pathlib import Path

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue.repair_split import find_split, is_prime
from tests.support.inspecting import queue_info
from tests.support.qmail_queue import QmailQueue
from tests.support.repairing import contents, queue_repair, with_owners

STATES = [("S5", 20), ("S4", 4), ("S3", 2), ("S2", 2)]


def filled(path, split, **options):
    queue = QmailQueue(path, split=split, owners=with_owners(), **options)
    for state, count in STATES:
        for number in range(count):
            queue.add(
                "Subject: %s %d\n\nx\n" % (state, number),
                b"s@example.com",
                remote=[b"r%d@example.net" % number],
                state=state,
                bounce_text="<x>:\nno\n\n" if state == "S5" and number < 3 else None,
            )
    return Path(queue.path)


def shown(root):
    found = queue_info(root, limit=100)
    return found["counts"], sorted(
        (one["id"], one["state"], one["queue"], one["subject"] or "", one["arrival_time"], str(one["recipients"]))
        for one in found["messages"]
    )


@pytest.mark.parametrize("big_todo", [False, True])
@pytest.mark.parametrize(("before", "after"), [(7, 23), (23, 7), (11, 13)])
def test_change(tmp_path, before, after, big_todo):
    root = filled(tmp_path / "queue", before, big_todo=big_todo)
    kept, messages = contents(root), shown(root)
    foreseen = queue_repair(root, True, split=after)
    result = queue_repair(root, split=after)
    assert foreseen["fault_counts"] == result["fault_counts"]
    assert (result["left"], result["quarantined"], result["repaired"]) == ([], 0, result["fault_count"])
    assert (contents(root), shown(root)) == (kept, messages)
    assert sorted(int(one) for one in os.listdir(str(root / "mess"))) == list(range(after))
    assert queue_repair(root)["faults"] == []
    assert find_split(str(root)) == after


def test_only_one_that_fits_the_installed_qmail(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("NOT TESTED: needs root")
    root = filled(tmp_path / "queue", 7)
    program = tmp_path / "bin" / "qmail-showctl"
    program.parent.mkdir()
    text = "#!/bin/sh\necho 'qmail home directory: %s.'\necho 'subdirectory split: 11.'\n"
    program.write_text(text % tmp_path)
    program.chmod(0o755)
    with pytest.raises(RescueError, match="^split: the qmail in .* is compiled for 11 .* split in 13"):
        queue_repair(root, split=13)
    assert find_split(str(root)) == 11
    assert queue_repair(root)["left"] == []
    assert len(os.listdir(str(root / "mess"))) == 11
    # Neither a program that others can change, nor one of another qmail.
    program.chmod(0o777)
    assert find_split(str(root), 13) == 13
    program.write_text(text % "/var/other")
    program.chmod(0o755)
    assert find_split(str(root), 13) == 13


@pytest.mark.parametrize(
    ("split", "sentence"),
    [(0, "split: expected 1 to 99999, got 0."), (-3, "split: expected 1 to 99999, got -3.")],
)
def test_refused(tmp_path, split, sentence):
    root = filled(tmp_path / "queue", 7)
    with pytest.raises(RescueError) as caught:
        queue_repair(root, split=split)
    assert str(caught.value) == sentence


def test_a_number_that_is_no_prime_is_told(tmp_path):
    root = filled(tmp_path / "queue", 7)
    assert "split: 8 is no prime number; qmail's conf-split asks for one." in queue_repair(root, True, split=8)["notes"]
    assert [one for one in range(20) if is_prime(one)] == [2, 3, 5, 7, 11, 13, 17, 19]


def test_told_by_most_directories_and_files(tmp_path):
    root = filled(tmp_path / "queue", 7)
    for number in (3, 6):
        (root / "local" / str(number)).rmdir()
    assert find_split(str(root)) == 7
    for name in ("mess", "info", "local", "remote"):
        (root / name / "7").mkdir()
    assert find_split(str(root)) == 7


def test_not_told_where_files_are_anywhere(tmp_path):
    root = filled(tmp_path / "queue", 7)
    for name in ("mess", "info", "remote"):
        for number in range(7):
            for path in (root / name / str(number)).iterdir():
                path.rename(root / name / str((number * 3 + 1) % 7) / ("9" + path.name + str(number)))
    with pytest.raises(RescueError, match="^split: most files of .* say into how many it is to be split"):
        find_split(str(root))


def test_not_told_without_directories(tmp_path):
    root = tmp_path / "queue"
    for name in ("mess", "info", "local", "remote", "todo", "intd", "bounce"):
        (root / name).mkdir(parents=True)
    with pytest.raises(RescueError, match="^split: .* has no numbered directories; say"):
        queue_repair(root)
    assert queue_repair(root, split=3)["left"] == []
    assert queue_repair(root)["faults"] == []
    assert queue_info(root)["counts"]["total"] == 0


def test_one_id_twice(tmp_path):
    root = filled(tmp_path / "queue", 7)
    first = next((root / "mess" / "2").iterdir(), None) or next(root.glob("mess/*/*"))
    number = int(first.parent.name)
    other = root / "mess" / str((number + 1) % 7) / first.name
    other.write_bytes(b"another message of the same name\n")
    before = contents(root)
    result = queue_repair(root)
    assert result["left"] == []
    assert contents(root) == before
    assert queue_repair(root)["faults"] == []
    assert Counter(path.name for path in root.glob("mess/*/*")).most_common(1)[0][1] == 1
