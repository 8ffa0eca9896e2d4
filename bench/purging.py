"""What is measured of a purge: nine in ten messages out of the queue, and what users would run instead."""

import json
import os
import shutil
import subprocess
import time

from . import programs
from .queues import CACHE

__all__ = ["measure_postfix", "measure_qmail"]

NO_MAILBOX = "no mailbox here by that name"
# In a container: a live server that delivers nothing, then ours, the undoing of it, and postsuper from a list of ids.
# What a module that fails has printed is judged by its reader; `set -e` would end before it is shown.
SERVE = """set -e
postconf -e 'inet_interfaces = loopback-only' \
  'defer_transports = smtp,local,relay' 'queue_run_delay = 30d' 'minimal_backoff_time = 30d' \
  'maximal_backoff_time = 30d' 'maximal_queue_lifetime = 60d'
postconf -F '*/*/chroot = n'
postfix start >/dev/null 2>&1
for i in 1 2 3 4 5 6 7 8 9 10; do postqueue -j >/tmp/first 2>/dev/null && break; sleep 1; done
run() { PYTHONPATH=/checkout:/core python3 -c "$START" /checkout/plugins/modules/$1.py; }
now() { date +%s.%N; }
run queue_info </arguments/info.json >/tmp/info
python3 -c 'import json; [print(json.loads(line)["id"]) for line in open("/tmp/listing")]' >/tmp/ids
a=$(now); run queue_purge </arguments/purge.json >/tmp/purged || true; b=$(now); echo "$a $b"
cat /tmp/purged; echo
a=$(now); run queue_restore </arguments/restore.json >/tmp/restored || true; b=$(now); echo "$a $b"
cat /tmp/restored; echo
a=$(now); postsuper -d - </tmp/ids 2>/tmp/said; b=$(now); echo "$a $b"
grep -o 'Deleted: [0-9]*' /tmp/said
postfix stop >/dev/null 2>&1
"""


def _copy(queue):
    """Return the path of a copy of a queue, to be spoilt."""
    target = CACHE / "spoilt"
    for path in (target, CACHE / "spoilt.quarantine"):
        shutil.rmtree(path, ignore_errors=True)
    subprocess.run(["cp", "-a", str(queue), str(target)], check=True)
    os.sync()
    return target


def measure_qmail(queue, workers=0, memory=False):
    """Purge nine in ten by their body, restore them, and remove them with rm.

    Return a dict of seconds: purge, restore, rm; and `count`, `peak` (MiB, or None).
    """
    spoilt = _copy(queue)
    try:
        result = programs.run_module(
            "queue_purge",
            memory,
            queue_directory=str(spoilt),
            mta="qmail",
            workers=workers,
            select={"body": NO_MAILBOX},
        )
        batch = result["batches"][0]["path"]
        files = [os.path.join(folder, name) for folder, _, names in os.walk(batch + "/files") for name in names]
        back = programs.run_module("queue_restore", queue_directory=str(spoilt), mta="qmail", batch=result["batch"])
        if back["restored"] != result["purged"]:
            raise RuntimeError("restored %d of %d" % (back["restored"], result["purged"]))
        paths = [path.replace(batch + "/files", str(spoilt)) for path in files]
        os.sync()
        started = time.perf_counter()
        subprocess.run(["xargs", "-n10", "rm"], input="\n".join(paths).encode(), check=True)
        took = time.perf_counter() - started
        return {
            "purge": result["wall"],
            "restore": back["wall"],
            "rm": took,
            "count": result["purged"],
            "peak": result.get("peak"),
        }
    finally:
        shutil.rmtree(spoilt, ignore_errors=True)
        shutil.rmtree(CACHE / "spoilt.quarantine", ignore_errors=True)


def measure_postfix(queue, core):
    """Purge nine in ten by their recipient, restore them, and delete them with postsuper, on a live Postfix.

    `core`: directory of an ansible-core for the container's Python. Return a dict of seconds: purge, restore,
    postsuper; and `count`.
    """
    spoilt = _copy(queue)
    arguments = CACHE / "arguments"
    arguments.mkdir(exist_ok=True)
    try:
        select = {"sender": r"info\d*[1-9]@"}
        # A copied queue gets new ids when Postfix starts.
        (arguments / "info.json").write_text(
            json.dumps({"ANSIBLE_MODULE_ARGS": {"select": select, "limit": 0, "top": 0, "listing": "/tmp/listing"}})
        )
        (arguments / "purge.json").write_text(json.dumps({"ANSIBLE_MODULE_ARGS": {"select": select}}))
        (arguments / "restore.json").write_text(
            json.dumps({"ANSIBLE_MODULE_ARGS": {"batch": "latest", "release": True}})
        )
        command = [*programs.CONTAINER]
        mounts = {
            spoilt: "/var/spool/postfix",
            arguments: "/arguments:ro",
            programs.ROOT: "/checkout:ro",
            core: "/core:ro",
        }
        for source, target in mounts.items():
            command += ["-v", "%s:%s" % (source, target)]
        command += ["-e", "START=" + programs.START, programs.IMAGE, "-c", SERVE]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        lines = [line for line in said.splitlines() if line]
        purged, restored = json.loads(lines[1]), json.loads(lines[3])
        count = purged.get("purged")
        if not count or restored.get("restored") != count or lines[5] != "Deleted: %d" % count:
            raise RuntimeError("purge: %s restore: %s postsuper: %s" % (lines[1][:500], lines[3][:500], lines[5]))
        took = [float(b) - float(a) for a, b in (lines[at].split() for at in (0, 2, 4))]
        return dict(zip(("purge", "restore", "postsuper"), took, strict=True), count=count)
    finally:
        shutil.rmtree(spoilt, ignore_errors=True)
