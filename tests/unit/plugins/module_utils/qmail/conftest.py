import pytest

from tests.support.qmail_queue import QmailQueue


@pytest.fixture
def queue(tmp_path):
    return QmailQueue(tmp_path / "queue")


@pytest.fixture
def small(tmp_path):
    """A queue with one numbered directory, so that a whole queue is one part."""
    return QmailQueue(tmp_path / "queue", split=1)
