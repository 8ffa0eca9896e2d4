"""What is left, and why, when only what was counted may be taken."""

from types import SimpleNamespace

from ansible_collections.mailops.rescue.plugins.module_utils.quarantine.removal import IGNORED, Chooser, Taker


class Remover:
    """Refuses the messages in `reasons`, and takes all others."""

    fields = 0

    def __init__(self, reasons):
        self.reasons = reasons

    def refusal(self, message):
        return self.reasons.get(message.id)

    def examine(self, message, path):
        return SimpleNamespace(id=message.id, size=message.size, recipients=())

    def take(self, entries, chunk):
        for entry in entries:
            yield entry, None

    def finish(self):
        pass


class Reader:
    def load(self, message, fields):
        pass

    def path(self, message):
        return message.id


def message(queue_id):
    return SimpleNamespace(place=0, id=queue_id, arrival=1, size=10, sender=b"a", queues=("deferred",))


def collect(collector, *ids):
    for one in ids:
        collector.add(message(one), Reader())
    collector.finish()
    return collector


def test_what_was_refused_when_it_was_counted_is_left_for_the_same_reason():
    reasons = {"busy": "it is being delivered", "taken": IGNORED}
    chosen = collect(Chooser([Remover(reasons)], True), "one", "busy", "taken")
    taker = collect(Taker([Remover(reasons)], 0, chosen.known, "late"), "one", "busy", "taken", "new")
    assert chosen.left.shown == [(0, "busy", "it is being delivered")]
    assert taker.left.shown == [(0, "busy", "it is being delivered"), (0, "new", "late")]
    assert taker.taken == [[1, 10]]
