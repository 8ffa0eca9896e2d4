"""When a restore has nothing to do."""

from contextlib import contextmanager

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.engines import queue_restore as engine
from tests.support.purging import queue_purge, queue_restore
from tests.support.qmail_queue import QmailQueue


@pytest.fixture
def held(monkeypatch):
    """A list that grows whenever qmail-send would be stopped."""
    found = []
    real = engine.held_queues

    @contextmanager
    def noted(works, *arguments):
        found.append(works)
        with real(works, *arguments) as inside:
            yield inside

    monkeypatch.setattr(engine, "held_queues", noted)
    return found


def test_qmail_send_is_not_stopped_for_nothing(tmp_path, held):
    queue = QmailQueue(tmp_path / "queue")
    for number in range(3):
        queue.add(b"Subject: x\n\n", b"spam@example.net", remote=[b"r%d@example.org" % number])
    queue_purge(queue.path, all=True)
    none = queue_restore(queue.path, select={"recipient": "^nobody@"})
    assert (none["changed"], none["matched"], none["remaining"], held) == (False, 0, 3, [])
    some = queue_restore(queue.path, select={"recipient": "^r1@"})
    assert (some["restored"], some["matched"], some["remaining"], len(held)) == (1, 1, 2, 1)
    rest = queue_restore(queue.path)
    assert (rest["restored"], rest["matched"], rest["remaining"], len(held)) == (2, 2, 0, 2)
    again = queue_restore(queue.path)
    assert (again["changed"], again["matched"], again["remaining"], len(held)) == (False, 0, 0, 2)
    assert again["counts_after"] == again["counts_before"] and again["counts_after"]["total"] == 3
