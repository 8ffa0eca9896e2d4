# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A queue in one run of the watch: what is found, and who is to be told."""

__all__ = ["Look", "SPOILT"]

from ansible_collections.mailops.rescue.plugins.module_utils.watch import alarms, channels, notice, queues

# What a memory that is not as we left it comes to.
SPOILT = (KeyError, IndexError, TypeError, ValueError, AttributeError)


class Look:
    """A queue as this run finds it: its ``reading``, and the ``memory`` that goes with it."""

    def __init__(self, queue, settings, memory, moment):
        self.queue, self.memory = queue, memory
        self._settings, self._moment = settings, moment
        counted = queues.count(queue)
        try:
            self._count(counted)
        except SPOILT:
            # Begin anew.
            self.memory = {}
            self._count(counted)

    def _count(self, counted):
        settings, memory, moment = self._settings, self.memory, self._moment
        samples, rate = memory.get("samples", []), None
        if counted.total is not None:
            rate = alarms.growth(samples, counted.total, moment, settings["growth_window"], settings["interval"])
            memory["samples"] = alarms.remember(samples, counted.total, moment)
            # Until they are measured again, the rest is as it was.
            age, notices = memory.get("slow", (None, None))
            counted = counted._replace(
                age=age if settings["age"] else None, notices=notices if settings["bounce_share"] else None
            )
            memory["slow"] = [counted.age, counted.notices]
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
        moment, cooldown = self._moment, settings["cooldown"]
        before = memory.get("alert")
        found = alarms.conditions(settings, self.reading, memory["look"]["growth"], before["names"] if before else ())
        alert = alarms.step(before, found, self.reading.total, moment)
        if before and not alert:
            memory["ended"] = before
        known = memory.get("told", {})
        known = {target: known.get(target, {}) for target in channels.targets(settings)}
        memory.update(found=found, alert=alert, told=known)
        # The alert that there is something to tell of, and who is to be told what.
        self.about = alert or memory.get("ended")
        self.due = {}
        for target, one in known.items():
            event = alarms.due(one, alert, found, moment, cooldown)
            if event is None:
                one.pop("try", None)
            elif not alarms.waits(one, event, self.about["since"], moment, settings["interval"], cooldown):
                self.due[target] = event

    def document(self, event):
        return notice.document(
            event,
            self._settings,
            self.queue,
            self.reading,
            self.memory["found"],
            self.about["since"][0],
            self.about["peak"],
            self._moment.at,
            self.memory["look"]["growth"],
        )

    def sent(self, target, event, reason):
        """Take note of what became of a notice; return that in words."""
        known, since = self.memory["told"][target], self.about["since"]
        what = "%s of queue %s" % (event, self.queue["name"])
        known["refused"] = bool(reason and reason.final)
        if reason and not reason.final:
            alarms.missed(known, event, since, self._moment)
            return "%s not sent by %s, which is tried again: %s." % (what, target, reason)
        alarms.told(known, event, since, self.memory["found"], self._moment)
        if reason:
            return "%s refused for good by %s: %s." % (what, target, reason)
        return "%s sent by %s." % (what, target)
