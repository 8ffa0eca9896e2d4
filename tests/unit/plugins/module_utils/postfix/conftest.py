import pytest

from tests.support.postfix_queue import PostfixQueue


@pytest.fixture
def queue(tmp_path):
    return PostfixQueue(tmp_path / "queue")
