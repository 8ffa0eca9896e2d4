"""What is measured: the reader as a whole module run, and what users would run instead."""

import json
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

from .queues import CACHE

__all__ = [
    "compile_floor",
    "interpreter_memory",
    "postfix_ids",
    "run_egrep",
    "run_floor",
    "run_postqueue",
    "run_module",
    "run_reader",
    "timed",
]

ROOT = Path(__file__).resolve().parents[1]
IMAGE = "mailops-base:bookworm"
CONTAINER = ("docker", "run", "--rm", "--network", "none", "--entrypoint", "/bin/sh")
# A module wants to be told how to write its result; Ansible does this for those that it runs.
START = (
    "import runpy, sys; from ansible.module_utils import basic; basic._ANSIBLE_PROFILE = 'legacy';"
    "runpy.run_path(sys.argv.pop(), run_name='__main__')"
)
# In a container: a server that delivers nothing, then the command, timed there.
SERVE = """set -e
postconf -e 'maillog_file = /var/log/maillog' 'inet_interfaces = loopback-only' \
  'defer_transports = smtp,local,relay' 'queue_run_delay = 30d' 'minimal_backoff_time = 30d' \
  'maximal_backoff_time = 30d' 'maximal_queue_lifetime = 60d'
postconf -F '*/*/chroot = n'
postfix start >/dev/null 2>&1
for i in 1 2 3 4 5 6 7 8 9 10; do postqueue -j >/tmp/first 2>/dev/null && break; sleep 1; done
wc -l </tmp/first
for i in $(seq %d); do
  a=$(date +%%s.%%N); postqueue -j >/dev/null; b=$(date +%%s.%%N); echo "$a $b"
done
postfix stop >/dev/null 2>&1
"""


def compile_floor(name):
    """Compile `floor_NAME.c` and return the program's path, or None where there is no C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    CACHE.mkdir(parents=True, exist_ok=True)
    program = CACHE / ("floor_" + name)
    subprocess.run(
        [compiler, "-O2", "-o", str(program), str(Path(__file__).with_name("floor_%s.c" % name))], check=True
    )
    return program


def timed(run, *arguments, **options):
    """Call `run`; return its result, and seconds of wall-clock and of processor time of the children it ran."""
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    result = run(*arguments, **options)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return result, (wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def run_floor(program, queue):
    """Run a floor program; return the number of messages that it read."""
    out = subprocess.run([str(program), str(queue)], check=True, capture_output=True, text=True).stdout
    return int(out.split()[0])


def run_reader(mta, queue, workers, memory=False, **options):
    """Run queue_info on `queue`; return as `run_module`."""
    return run_module("queue_info", memory, mta=mta, queue_directory=str(queue), workers=workers, **options)


def run_module(name, memory=False, **arguments):
    """Run a module; return its result, with `wall` (s), and `peak` (MiB) where `memory` is true.

    `wall` is that of the whole process, the interpreter's start included. `peak` is the largest sum, over the
    process and its children, of the memory that each has to itself plus its share of what they share.
    RuntimeError when the module fails.
    """
    module = ROOT / "plugins" / "modules" / (name + ".py")
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", START, str(module)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        cwd=str(ROOT),
    )
    watch = _MemoryWatch(process.pid) if memory else None
    out, err = process.communicate(json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode())
    wall = time.perf_counter() - started
    try:
        result = json.loads(out)
    except ValueError:
        said = (out[-500:] + err[-2000:]).decode("utf-8", "replace")
        raise RuntimeError("%s said: %s" % (name, said)) from None
    if result.get("failed"):
        raise RuntimeError("%s failed: %s" % (name, result.get("msg")))
    result["wall"] = wall
    if watch:
        result["peak"] = watch.stop()
    return result


def interpreter_memory():
    """Return what a Python that does nothing takes, in MiB."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1)"])
    watch = _MemoryWatch(process.pid)
    process.wait()
    return watch.stop()


def run_egrep(queue, pattern="no mailbox here"):
    """Time `find -exec egrep` on a part of mess/; return the number of files in it, and seconds."""
    directory, part = Path(queue) / "mess" / "0", "*[123]"
    files = sum(1 for _ in directory.glob(part))
    started = time.perf_counter()
    command = ["find", str(directory), "-type", "f", "-name", part, "-exec", "egrep", "-l", pattern, "{}", ";"]
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return files, time.perf_counter() - started


def postfix_ids():
    """Return user and group ids of Postfix in the image, or None where Docker or the image is missing."""
    try:
        out = subprocess.run(
            [*CONTAINER, IMAGE, "-c", "id -u postfix; id -g postfix"], check=True, capture_output=True, text=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return tuple(int(word) for word in out.split())


def run_postqueue(queue, times):
    """Run `postqueue -j` on a live Postfix in a container over `queue`; return lines listed, list of
    seconds."""
    out = subprocess.run(
        [*CONTAINER, "-v", "%s:/var/spool/postfix" % queue, IMAGE, "-c", SERVE % times],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    pairs = [line.split() for line in out[1:]]
    return int(out[0]), [float(b) - float(a) for a, b in pairs]


class _MemoryWatch:
    """Samples, from a thread, the memory of a process and its descendants until it ends."""

    def __init__(self, pid, every=0.1):
        self._pid = pid
        self._every = every
        self._peak = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self._thread.start()

    def stop(self):
        self._ended.set()
        self._thread.join()
        return self._peak / 1024

    def _sample(self):
        while not self._ended.wait(self._every):
            self._peak = max(self._peak, sum(_proportional(pid) for pid in _tree(self._pid)))


def _tree(pid):
    pids = [pid]
    for parent in pids:
        try:
            for task in os.listdir("/proc/%d/task" % parent):
                pids += map(int, Path("/proc/%d/task/%s/children" % (parent, task)).read_text().split())
        except OSError:
            continue
    return pids


def _proportional(pid):
    try:
        for line in Path("/proc/%d/smaps_rollup" % pid).read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0
