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
# What a memory that is not as we left it comes to.
_SPOILT = (KeyError, IndexError, TypeError, ValueError, AttributeError)
# Seconds at most for what takes longer than counting.
_SLOW = 60
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


def _say(*lines):
    """Print lines: whatever is in them, and though nobody may read them."""
    encoding = sys.stdout.encoding or "ascii"
    try:
        for line in lines:
            print(line.encode(encoding, "backslashreplace").decode(encoding), flush=True)
    except OSError:
        pass


class _Look:
    """A queue as this run finds it: its ``reading``, and the ``memory`` that goes with it."""

    def __init__(self, queue, settings, memory, moment):
        self.queue, self.memory = queue, memory
        self._settings, self._moment = settings, moment
        counted = queues.count(queue)
        try:
            self._count(counted)
        except _SPOILT:
            # Begin anew.
            self.memory = {}
            self._count(counted)

    def _count(self, counted):
        settings, memory, moment = self._settings, self.memory, self._moment
        samples, rate = memory.get("samples", []), None
        if counted.total is not None:
            rate = judging.growth(samples, counted.total, moment, settings["growth_window"], settings["interval"])
            memory["samples"] = judging.remember(samples, counted.total, moment)
            # Until they are measured again, the rest is as it was.
            age, notices = memory.get("slow", (None, None))
            counted = counted._replace(age=age if settings["age"] else None,
                                       notices=notices if settings["bounce_share"] else None)  # fmt: skip
        memory["unknown"] = []
        memory["look"] = {"at": list(moment), "total": counted.total, "growth": rate}
        self.reading = counted
        self._judge()

    def measure(self, seconds):
        """Take account of what takes longer than counting."""
        settings = dict(self._settings, wall=self._moment.at)
        memory = self.memory
        self.reading, memory["unknown"] = queues.measure(self.queue, self.reading, settings, memory, seconds)
        memory["slow"] = [self.reading.age, self.reading.notices]
        self._judge()

    def _judge(self):
        settings, memory = self._settings, self.memory
        alert = memory.get("alert")
        found = judging.conditions(settings, self.reading, memory["look"]["growth"], alert["names"] if alert else ())
        event = judging.step(memory, found, self.reading.total, self._moment, settings["cooldown"])
        alert = memory["alert"] or alert
        if event:
            # What comes later takes the place of what has not got out.
            words = {"event": event, "since": alert["since"][0], "peak": alert["peak"]}
            memory["pending"] = dict.fromkeys(channels.names(settings), words)
        else:
            waiting = memory.get("pending", {})
            memory["pending"] = {name: waiting[name] for name in channels.names(settings) if name in waiting}
        memory["found"] = found


def _watch(settings, state, moment):
    with Memory(state) as kept:
        before = kept.load()
        looks = [_Look(queue, settings, before.get(queue["name"], {}), moment) for queue in settings["queues"]]
        memories = {look.queue["name"]: look.memory for look in looks}
        # The alert does not wait for what is slow, nor is lost by what hangs.
        saved = _save(kept, memories)
        told, lines = _tell(settings, looks, moment)
        _save(kept, memories)
        _say(*lines)
        slow = bool(settings["age"]) + bool(settings["bounce_share"])
        if slow:
            for look in looks:
                look.measure(min(settings["interval"] / 2.0, _SLOW) / slow / len(looks))
            told, lines = _tell(settings, looks, moment)
            saved = _save(kept, memories) and saved
            _say(*lines)
        if settings["textfile_directory"]:
            try:
                kept.write(TEXTFILE, _metrics(settings, looks, moment))
            except OSError as error:
                _say("The metrics cannot be written: %s." % (error.strerror or error))
                saved = False
    status = _worst([_of(memory) for memory in memories.values()])
    if status == _OK and not (told and saved):
        status = _WARNING
    _say(_sentence(status, settings, memories))
    return status


def _tell(settings, looks, moment):
    """Send what waits to be sent; return whether all of it got out, and what to say of it."""
    wanted, lines = [], []
    for look in looks:
        memory = look.memory
        for name, words in sorted(memory["pending"].items()):
            made = notice.document(
                words["event"], settings, look.queue, look.reading, memory["found"], words["since"], words["peak"],
                moment.at, memory["look"]["growth"],
            )  # fmt: skip
            wanted.append((look, name, made))
    for (look, name, made), reason in zip(wanted, channels.send_all([one[1:] for one in wanted], settings)):
        where = look.queue["name"]
        if reason is None:
            del look.memory["pending"][name]
            lines.append("%s of queue %s sent by %s." % (made["event"], where, name))
        else:
            lines.append(
                "%s of queue %s not sent by %s, which is tried again: %s." % (made["event"], where, name, reason)
            )
    return not any(look.memory["pending"] for look in looks), lines


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

