"""What is measured of the watch: counting a queue by its directories, and what users would run instead."""

import contextlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from ansible_collections.mailops.rescue.plugins.module_utils.watch.program import build

from .programs import ROOT

__all__ = ["count", "find", "prepared", "watch"]

SETTINGS = {
    "version": 1,
    "host": "bench",
    "threshold": 10**9,
    "age": 0,
    "growth": 0,
    "growth_window": 300,
    "bounce_share": 0,
    "bounce_minimum": 100,
    "interval": 60,
    "cooldown": 3600,
    "webhook": None,
    "smtp": None,
    "syslog": False,
    "textfile_directory": None,
}
COUNT = (
    "import sys, time; from ansible_collections.mailops.rescue.plugins.module_utils.watch import queues;"
    "watched = {'name': 'x', 'mta': sys.argv[1], 'directories': [sys.argv[2]]};"
    "wall, cpu = time.perf_counter(), time.process_time();"
    "print(queues.read(watched, {'age': 0, 'bounce_share': 0}, {}).total,"
    "time.perf_counter() - wall, time.process_time() - cpu)"
)
RUN = (
    "import sys; sys.path.insert(0, sys.argv[1]);"
    "from ansible_collections.mailops.rescue.plugins.module_utils.watch import run;"
    "sys.exit(run.main([], sys.argv[2], sys.argv[3]))"
)


def find(mta, queue):
    """Count with find; of a queue directory of Postfix only what holds messages."""
    names = ["mess"] if mta == "qmail" else ["maildrop", "incoming", "active", "deferred", "hold", "corrupt"]
    paths = " ".join("'%s/%s'" % (queue, name) for name in names)
    out = subprocess.run("find %s -type f | wc -l" % paths, shell=True, check=True, capture_output=True).stdout
    return int(out)


def count(mta, queue):
    """Count as a run does; return the number, and seconds without those in which the interpreter starts."""
    command = [sys.executable, "-c", COUNT, mta, str(queue)]
    found, *times = subprocess.run(command, check=True, capture_output=True, cwd=ROOT).stdout.split()
    return int(found), tuple(map(float, times))


@contextlib.contextmanager
def prepared(mta, queue):
    """The program, as it is on hosts, and a directory with its settings and history."""
    with tempfile.TemporaryDirectory() as name:
        program = Path(name) / "program"
        program.write_bytes(build(sys.executable)[0])
        watched = [{"name": "bench", "mta": mta, "directories": [str(queue)]}]
        (Path(name) / "settings.json").write_text(json.dumps(dict(SETTINGS, queues=watched)))
        yield program, Path(name)


def watch(program, state):
    """Do a whole run, history included; return what it counted."""
    arguments = [sys.executable, "-I", "-B", "-c", RUN, str(program), str(state / "settings.json"), str(state)]
    out = subprocess.run(arguments, check=True, capture_output=True).stdout.decode()
    return int(out.partition("'bench'=")[2].partition(";")[0])
