"""Real file systems, on loop devices, that are shut down in the middle of an online purge and mounted again."""

import fcntl
import os
import shutil
import signal
import struct
import subprocess
import tempfile

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.qmail.service.service import Service
from tests.support.faults import hooked, tried
from tests.support.power_loss import Ended
from tests.support.purging import whole
from tests.unit.plugins.module_utils.qmail.queue import test_online
from tests.unit.plugins.module_utils.qmail.queue.test_online import NOBODY, State, running  # noqa: F401

pytestmark = pytest.mark.skipif(os.environ.get("RESCUE_FAULTS") != "all", reason="only make test-faults does it")
STEP = 9
# XFS_IOC_GOINGDOWN, which ext4 has too. With a flush of the log, all changes of names are kept, and no contents.
_SHUT_DOWN, _FLAGS = 0x8004587D, {"names are kept": 1, "names are lost": 2}


def _must(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        pytest.skip("NO REAL FILE SYSTEM WAS SHUT DOWN: %s: %s" % (" ".join(command), done.stdout.strip()))


@pytest.fixture(params=["xfs", "ext4"])
def disk(request):
    """The image of an empty file system, and where to mount it."""
    if os.geteuid() != 0:
        pytest.skip("NO REAL FILE SYSTEM WAS SHUT DOWN: only root may mount one")
    if shutil.which("mkfs." + request.param) is None:
        pytest.skip("NO REAL FILE SYSTEM WAS SHUT DOWN: there is no mkfs.%s" % request.param)
    directory = tempfile.mkdtemp(prefix="rescue-disk-")
    image, place = os.path.join(directory, "image"), os.path.join(directory, "mounted")
    os.mkdir(place)
    with open(image, "wb") as file:
        file.truncate(320 << 20)
    try:
        _must("mkfs." + request.param, "-q", image)
        _must("mount", "-o", "loop", image, place)
        yield image, place
    finally:
        subprocess.run(["umount", place], check=False)
        assert not os.path.ismount(place)
        shutil.rmtree(directory)


def _shut_down(state, place, number, flag):
    """Run a purge in a child up to a call, and shut its file system down there; return whether it came that far."""
    pid = os.fork()
    if pid == 0:
        left = [number]

        def hook(function, *arguments, **keywords):
            if not left[0]:
                fd = os.open(place, os.O_RDONLY)
                fcntl.ioctl(fd, _SHUT_DOWN, struct.pack("I", flag))
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1
            return function(*arguments, **keywords)

        try:
            with hooked(hook):
                state.purge()
        except Ended:
            os._exit(0)
        finally:
            os._exit(1)
    status = os.waitpid(pid, 0)[1]
    assert os.WIFSIGNALED(status) or status == 0
    return status != 0


@pytest.mark.parametrize("flag", _FLAGS)
def test_file_system_is_shut_down_during_an_online_purge(disk, flag, running, monkeypatch):  # noqa: F811
    image, place = disk
    monkeypatch.setattr(test_online, "MEMORY", place)
    flush = Service.send

    def end(unused_service, unused_how):
        raise Ended

    for number in range(0, 10000, STEP):
        running.state = state = State()
        os.sync()
        monkeypatch.setattr(Service, "send", end)
        came = _shut_down(state, place, number, _FLAGS[flag])
        monkeypatch.setattr(Service, "send", flush)
        if came:
            subprocess.run(["umount", place], check=True)
            subprocess.run(["mount", "-o", "loop", image, place], check=True)
            tried["loss"] += 1
        state.purge(select=NOBODY)
        state.double.drain()
        assert state.double.notices == [], number
        assert whole(state.path) == state.messages, number
        shutil.rmtree(str(state.directory))
        if not came:
            break
    assert number > 100, flag
