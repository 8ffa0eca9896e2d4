"""Work shared among processes comes home whole, or as one error; nothing of it stays behind."""

import os
import signal
import time

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.host import workers
from ansible_collections.mailops.rescue.plugins.module_utils.host.workers import in_processes


@pytest.fixture(autouse=True)
def _nothing_left():
    before = set(os.listdir("/proc/self/fd"))
    yield
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
    assert set(os.listdir("/proc/self/fd")) == before


def test_results_in_the_order_of_the_shares():
    def work(share, number):
        time.sleep(0.2 / number)
        return share * 2, number, os.getpid()

    found = list(in_processes(work, ["a", "b", "c"]))
    assert [one[:2] for one in found] == [("aa", 1), ("bb", 2), ("cc", 3)]
    assert len({one[2] for one in found} | {os.getpid()}) == 4


def test_no_shares():
    assert list(in_processes(lambda share, number: share, [])) == []


def test_results_larger_than_a_pipe_holds():
    found = list(in_processes(lambda share, number: share * 3000000, [b"x", b"y"]))
    assert found == [b"x" * 3000000, b"y" * 3000000]


def test_child_leaves_the_parents_buffers_alone(tmp_path):
    with open(tmp_path / "log", "w") as log:
        log.write("once")
        assert list(in_processes(lambda share, number: number, [0, 0])) == [1, 2]
    assert (tmp_path / "log").read_text() == "once"


def fail(share, number):
    if share == "bad":
        raise ValueError("what now")
    if share == "rescue":
        raise RescueError("/queue cannot be read: run as root.")
    if share == "exit":
        raise SystemExit(0)
    if share == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if share == "closure":
        return lambda: None
    if share == "slow":
        time.sleep(60)
    return share


@pytest.mark.parametrize(
    "share, message",
    [
        ("bad", "failed: ValueError: what now."),
        ("rescue", "failed: /queue cannot be read: run as root."),
        ("exit", "failed: ended unexpectedly"),
        ("killed", "failed: ended unexpectedly"),
        ("closure", "failed: ended unexpectedly"),
    ],
)
@pytest.mark.parametrize("others", [[], ["slow", "slow"]], ids=["alone", "amid others"])
def test_failure_of_a_child(share, message, others):
    began = time.monotonic()
    with pytest.raises(RescueError) as caught:
        list(in_processes(fail, [share, *others]))
    assert message in str(caught.value)
    assert time.monotonic() - began < 30


def test_killed_in_the_middle_of_its_answer():
    class Halfway:
        def __reduce__(self):
            os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(RescueError, match="ended unexpectedly"):
        list(in_processes(lambda share, number: (b"x" * 5000000, Halfway()), [1]))


def test_results_before_a_failure_are_given():
    results = in_processes(fail, ["fine", "bad"])
    assert next(results) == "fine"
    with pytest.raises(RescueError, match="what now"):
        next(results)


def test_given_up_half_way():
    results = in_processes(fail, ["fine", "slow", "slow"])
    assert next(results) == "fine"
    results.close()


def test_no_process_to_be_had(monkeypatch):
    real, forks = os.fork, []

    def fork():
        forks.append(None)
        if len(forks) > 1:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return real()

    monkeypatch.setattr(workers.os, "fork", fork)
    with pytest.raises(RescueError, match="Resource temporarily unavailable"):
        list(in_processes(fail, ["slow", "slow"]))
