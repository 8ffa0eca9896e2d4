# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of the watch on a host: count, judge, tell."""

__all__ = ["PROGRAM", "RUNTIME", "SETTINGS", "STATE", "STATUS", "TEST", "TEXTFILE", "main"]

import json
import os
import sys

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.watch import channels, notice, queues
from ansible_collections.mailops.rescue.plugins.module_utils.watch.clock import Moment, elapsed, now
from ansible_collections.mailops.rescue.plugins.module_utils.watch.exposition import exposition
from ansible_collections.mailops.rescue.plugins.module_utils.watch.settings import load
from ansible_collections.mailops.rescue.plugins.module_utils.watch.state import Busy, Memory
from ansible_collections.mailops.rescue.plugins.module_utils.watch.watched_queue import SPOILT, Look

PROGRAM = "/usr/local/lib/mailops-rescue/mailops-queue-watch"
SETTINGS = "/etc/mailops-queue-watch.json"
STATE = "/var/lib/mailops-queue-watch"
RUNTIME = "/run/mailops-queue-watch"
TEXTFILE = "queue_watch.prom"
TEST = "test.json"
# What the last run found, for all to read.
STATUS = "status.json"

# Those of monitoring plugins.
_OK, _WARNING, _CRITICAL, _UNKNOWN = range(4)
_WORDS = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
_WORST_FIRST = (_CRITICAL, _UNKNOWN, _WARNING, _OK)
# Seconds at most for what takes longer than counting.
_SLOW = 60
_LONGEST = 1 << 16
_USAGE = "usage: mailops-queue-watch [--test | --status]"


def main(arguments, settings_path=SETTINGS, state=STATE, moment=None, runtime=RUNTIME):
    """Run as the command line says; return the exit status."""
    modes = {(): _watch, ("--test",): _test}
    try:
        moment = moment or now()
        if list(arguments) == ["--status"]:
            return _status((runtime, state), moment)
        if tuple(arguments) not in modes:
            _say(_USAGE)
            return _UNKNOWN
        try:
            return modes[tuple(arguments)](load(settings_path), state, runtime, moment)
        except Busy:
            # What the last one found still holds, but not for ever.
            _say("Another run is under way.")
            return _status((runtime, state), moment)
    except (RescueError, OSError) as error:
        _say("QUEUE UNKNOWN - %s" % error)
    except Exception as error:  # Python's own status for it, 1, would pass for a warning
        _say("QUEUE UNKNOWN - %s: %s" % (type(error).__name__, error))
    return _UNKNOWN


def _say(*lines):
    """Print lines: whatever is in them, and though nobody may read them."""
    encoding = sys.stdout.encoding or "ascii"
    try:
        for line in lines:
            sys.stdout.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
            sys.stdout.flush()
    except OSError:
        pass


def _watch(settings, state, runtime, moment):
    with Memory(state, runtime) as kept:
        before = kept.load()
        looks = [Look(queue, settings, before.get(queue["name"], {}), moment) for queue in settings["queues"]]
        memories = {look.queue["name"]: look.memory for look in looks}
        # The alert does not wait for what is slow, nor is lost by what hangs.
        saved = _save(kept, memories)
        told, lines = _tell(settings, looks)
        if lines:
            _save(kept, memories)
        _say(*lines)
        slow = bool(settings["age"]) + bool(settings["bounce_share"])
        if slow:
            for look in looks:
                look.measure(min(settings["interval"] / 2.0, _SLOW) / slow / len(looks))
            later, lines = _tell(settings, looks)
            told = told and later
            saved = _save(kept, memories) and saved
            _say(*lines)
        if settings["textfile_directory"]:
            try:
                kept.write(TEXTFILE, _metrics(settings, looks, moment))
            except OSError as error:
                _say("The metrics cannot be written: %s." % (error.strerror or error))
                saved = False
        status = _worst([_of(memory) for memory in memories.values()])
        if status == _OK and not (told and saved and not _waiting(memories)):
            status = _WARNING
        line = _sentence(status, settings, memories)
        try:
            known = {"at": list(moment), "interval": settings["interval"], "status": status, "line": line}
            kept.publish(STATUS, json.dumps(known))
        except OSError as error:
            _say("The status cannot be written: %s." % (error.strerror or error))
    _say(line)
    return status


def _tell(settings, looks):
    """Send what is to be sent; return whether all of it got out, and what to say of it."""
    wanted = []
    for look in looks:
        made = {event: look.document(event) for event in look.due.values()}
        wanted += [(look, target, made[event]) for target, event in sorted(look.due.items())]
    reasons = channels.send_all([one[1:] for one in wanted], settings)
    lines = [look.sent(target, made["event"], reason) for (look, target, made), reason in zip(wanted, reasons)]
    return not any(reasons), lines


def _waiting(memories):
    """Return the channels by which something is yet to be told."""
    return sorted(
        {
            target.partition(":")[0]
            for memory in memories.values()
            for target, one in memory["told"].items()
            if "try" in one
        }
    )


def _save(kept, memories):
    """Keep what is known; return whether it could be."""
    try:
        kept.save(memories)
    except OSError as error:
        # A full disk is no reason to be silent about the queue that filled it.
        _say("The history cannot be written: %s." % (error.strerror or error))
        return False
    return True


def _metrics(settings, looks, moment):
    rows, failed = [], dict.fromkeys(channels.names(settings), False)
    for look in looks:
        queue, reading, memory = look.queue, look.reading, look.memory
        for target, known in memory["told"].items():
            if "try" in known or known.get("refused"):
                failed[target.partition(":")[0]] = True
        rows.append(
            (
                {"queue": queue["name"], "mta": queue["mta"]},
                {
                    "mailops_queue_messages": reading.total,
                    "mailops_queue_threshold_messages": settings["threshold"],
                    "mailops_queue_oldest_seconds": reading.age,
                    "mailops_queue_growth_per_minute": memory["look"]["growth"],
                    "mailops_queue_bounce_percent": reading.notices,
                    "mailops_queue_alert": int(bool(memory["alert"])),
                    "mailops_queue_readable": int(reading.error is None),
                },
            )
        )
    return exposition(rows, moment.at, failed)


def _of(memory):
    names = [one["name"] for one in memory["found"]]
    if "unreadable" in names:
        return _UNKNOWN
    return _CRITICAL if names else _UNKNOWN if memory["unknown"] else _OK


def _worst(statuses):
    return min(statuses, key=_WORST_FIRST.index)


def _sentence(status, settings, memories):
    """Return the line that monitoring plugins print."""
    parts, numbers = [], []
    for name in sorted(memories):
        total = memories[name]["look"]["total"]
        problems = [notice.problem(one) for one in memories[name]["found"]] or ["%d messages" % total]
        parts.append("%s: %s" % (name, "; ".join(problems + memories[name]["unknown"])))
        if total is not None:
            numbers.append("'%s'=%d;;%d;0" % (name, total, settings["threshold"]))
    waiting = _waiting(memories)
    if waiting:
        parts.append("not told by %s" % ", ".join(waiting))
    return "QUEUE %s - %s | %s" % (_WORDS[status], "; ".join(parts), " ".join(numbers))


def _status(directories, moment):
    paths = [os.path.join(one, STATUS) for one in directories]
    try:
        with open(next((one for one in paths if os.path.exists(one)), paths[0]), "rb") as file:
            known = json.loads(file.read(_LONGEST).decode("utf-8"))
        seconds = elapsed(Moment(*known["at"]), moment)
        stale = seconds is None or seconds > 3 * known["interval"] + 60
        status, line = range(len(_WORDS))[known["status"]], str(known["line"])
    except (OSError, *SPOILT):
        _say("QUEUE UNKNOWN - the queue was not looked at yet")
        return _UNKNOWN
    if stale:
        ago = "nobody knows when" if seconds is None else "%d minutes ago" % (seconds // 60)
        _say("QUEUE UNKNOWN - the queue was last looked at %s" % ago)
        return _UNKNOWN
    _say(line)
    return status


def _test(settings, state, _runtime, moment):
    wanted = []
    for queue in settings["queues"]:
        reading = queues.read(queue, dict(settings, wall=moment.at), {}, _SLOW / 2.0 / len(settings["queues"]))
        made = notice.document("test", settings, queue, reading, [], moment.at, 0, moment.at)
        wanted += [(name, made, reading.error) for name in channels.names(settings)] or [(None, made, reading.error)]
    sent = channels.send_all([one[:2] for one in wanted if one[0]], settings)
    failed = {name: reason for (name, _made, _error), reason in zip([one for one in wanted if one[0]], sent) if reason}
    unread = sorted({error for _name, _made, error in wanted if error})
    sentences = ["%s: %s." % (name, failed[name]) for name in sorted(failed)]
    sentences += ["The queue cannot be read: %s." % error.rstrip(".") for error in unread]
    with Memory(state, alone=False) as kept:
        result = {"at": moment.at, "sent": sorted(set(channels.names(settings)) - set(failed)), "failed": sentences}
        kept.write(TEST, json.dumps(result))
    sent = "sent by %s." % ", ".join(result["sent"]) if result["sent"] else "There is no channel to send it by."
    _say("TEST %s" % (" ".join(sentences) or sent))
    return _UNKNOWN if unread else _WARNING if failed else _OK
