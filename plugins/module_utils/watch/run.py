# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of the watch on a host: count, judge, tell."""

__all__ = ["PROGRAM", "SETTINGS", "STATE", "TEST", "TEXTFILE", "main"]

import json
import sys

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.watch import channels, judging, notice, queues
from ansible_collections.mailops.rescue.plugins.module_utils.watch.clock import Moment, elapsed, now
from ansible_collections.mailops.rescue.plugins.module_utils.watch.exposition import exposition
from ansible_collections.mailops.rescue.plugins.module_utils.watch.memory import Busy, Memory, recall
from ansible_collections.mailops.rescue.plugins.module_utils.watch.settings import load

PROGRAM = "/usr/local/lib/mailops-rescue/mailops-queue-watch"
SETTINGS = "/etc/mailops-queue-watch.json"
STATE = "/var/lib/mailops-queue-watch"
TEXTFILE = "queue_watch.prom"
TEST = "test.json"

# Those of monitoring plugins.
_OK, _WARNING, _CRITICAL, _UNKNOWN = range(4)
_WORDS = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
_WORST_FIRST = (_CRITICAL, _UNKNOWN, _WARNING, _OK)
_USAGE = "usage: mailops-queue-watch [--test | --status]"


def main(arguments, settings_path=SETTINGS, state=STATE, moment=None):
    """Run as the command line says; return the exit status."""
    modes = {(): _watch, ("--test",): _test, ("--status",): _status}
    if tuple(arguments) not in modes:
        _say(_USAGE)
        return _UNKNOWN
    try:
        settings, moment = load(settings_path), moment or now()
        try:
            return modes[tuple(arguments)](settings, state, moment)
        except Busy:
            # What the last one found still holds, but not for ever.
            _say("Another run is under way.")
            return _status(settings, state, moment)
    except (RescueError, OSError) as error:
        _say("QUEUE UNKNOWN - %s" % error)
    except Exception as error:  # Python's own status for it, 1, would pass for a warning
        _say("QUEUE UNKNOWN - %s: %s" % (type(error).__name__, error))
    return _UNKNOWN


def _say(text):
    """Print a line: whatever is in it, and though nobody may read it."""
    encoding = sys.stdout.encoding or "ascii"
    try:
        print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)
    except OSError:
        pass


def _watch(settings, state, moment):
    with Memory(state) as kept:
        before = kept.load()
        memories, readings = {}, []
        for queue in settings["queues"]:
            memories[queue["name"]], reading = _look(queue, settings, before.get(queue["name"], {}), moment)
            readings.append((queue, reading))
        saved = _save(kept, memories)
        told, lines = _tell(settings, readings, memories, moment)
        _save(kept, memories)
        # Not before what was sent is kept: it would be sent again if this failed.
        for line in lines:
            _say(line)
        if settings["textfile_directory"]:
            try:
                kept.write(TEXTFILE, _metrics(settings, readings, memories, moment))
            except OSError as error:
                _say("The metrics cannot be written: %s." % (error.strerror or error))
                saved = False
    status = _worst([_of(memories[queue["name"]]) for queue in settings["queues"]])
    if status == _OK and not (told and saved):
        status = _WARNING
    _say(_sentence(status, settings, memories))
    return status


def _look(queue, settings, memory, moment):
    """Return a queue's new memory, and the Reading."""
    reading = queues.read(queue, dict(settings, wall=moment.at), memory)
    try:
        _judge(queue, settings, memory, reading, moment)
    except (KeyError, TypeError, ValueError, AttributeError):
        # What is kept was spoilt: begin anew.
        memory = {}
        _judge(queue, settings, memory, reading, moment)
    return memory, reading


def _judge(queue, settings, memory, reading, moment):
    samples, rate = memory.get("samples", []), None
    if reading.total is not None:
        rate = judging.growth(samples, reading.total, moment, settings["growth_window"], settings["interval"])
        memory["samples"] = judging.remember(samples, reading.total, moment)
    alert = memory.get("alert")
    found = judging.conditions(settings, reading, rate, alert["names"] if alert else ())
    event = judging.step(memory, found, reading.total, moment, settings["cooldown"])
    alert = memory["alert"] or alert
    if event:
        # What comes later takes the place of what has not got out.
        words = {"event": event, "since": alert["since"][0], "peak": alert["peak"]}
        memory["pending"] = dict.fromkeys(channels.names(settings), words)
    else:
        waiting = memory.get("pending", {})
        memory["pending"] = {name: waiting[name] for name in channels.names(settings) if name in waiting}
    memory["found"] = found
    memory["look"] = {"at": list(moment), "total": reading.total, "growth": rate}


def _tell(settings, readings, memories, moment):
    """Send what waits to be sent; return whether all of it got out, and what to say of it."""
    wanted, lines = [], []
    for queue, reading in readings:
        memory = memories[queue["name"]]
        for name, words in sorted(memory["pending"].items()):
            made = notice.document(
                words["event"], settings, queue, reading, memory["found"], words["since"], words["peak"], moment.at,
                memory["look"]["growth"],
            )  # fmt: skip
            wanted.append((queue["name"], name, made))
    for (where, name, made), reason in zip(wanted, channels.send_all([one[1:] for one in wanted], settings)):
        if reason is None:
            del memories[where]["pending"][name]
            lines.append("%s of queue %s sent by %s." % (made["event"], where, name))
        else:
            lines.append(
                "%s of queue %s not sent by %s, which is tried again: %s." % (made["event"], where, name, reason)
            )
    return not any(memory["pending"] for memory in memories.values()), lines


def _save(kept, memories):
    """Keep what is known; return whether it could be."""
    try:
        kept.save(memories)
    except OSError as error:
        # A full disk is no reason to be silent about the queue that filled it.
        _say("The history cannot be written: %s." % (error.strerror or error))
        return False
    return True


def _metrics(settings, readings, memories, moment):
    rows, failed = [], dict.fromkeys(channels.names(settings), False)
    for queue, reading in readings:
        memory = memories[queue["name"]]
        for name in memory["pending"]:
            failed[name] = True
        rows.append((
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
        ))  # fmt: skip
    return exposition(rows, moment.at, failed)


def _of(memory):
    names = [one["name"] for one in memory["found"]]
    return _UNKNOWN if "unreadable" in names else _CRITICAL if names else _OK


def _worst(statuses):
    return min(statuses, key=_WORST_FIRST.index)


def _sentence(status, settings, memories):
    """Return the line that monitoring plugins print."""
    parts, numbers = [], []
    for name in sorted(memories):
        total = memories[name]["look"]["total"]
        problems = "; ".join(notice.problem(one) for one in memories[name]["found"])
        parts.append("%s: %s" % (name, problems or "%d messages" % total))
        if total is not None:
            numbers.append("'%s'=%d;;%d;0" % (name, total, settings["threshold"]))
    waiting = sorted({channel for memory in memories.values() for channel in memory["pending"]})
    if waiting:
        parts.append("not told by %s" % ", ".join(waiting))
    return "QUEUE %s - %s | %s" % (_WORDS[status], "; ".join(parts), " ".join(numbers))


def _status(settings, state, moment):
    memories = recall(state)
    looks = [memories.get(queue["name"], {}).get("look") for queue in settings["queues"]]
    if not all(looks):
        _say("QUEUE UNKNOWN - the queue was not looked at yet")
        return _UNKNOWN
    seconds = [elapsed(Moment(*look["at"]), moment) for look in looks]
    if any(one is None or one > 3 * settings["interval"] + 60 for one in seconds):
        _say("QUEUE UNKNOWN - the queue was last looked at %s" % _ago(seconds))
        return _UNKNOWN
    memories = {queue["name"]: memories[queue["name"]] for queue in settings["queues"]}
    status = _worst([_of(one) for one in memories.values()])
    if status == _OK and any(one["pending"] for one in memories.values()):
        status = _WARNING
    _say(_sentence(status, settings, memories))
    return status


def _ago(seconds):
    return "nobody knows when" if None in seconds else "%d minutes ago" % (max(seconds) // 60)


def _test(settings, state, moment):
    wanted = []
    for queue in settings["queues"]:
        reading = queues.read(queue, dict(settings, wall=moment.at), {})
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

