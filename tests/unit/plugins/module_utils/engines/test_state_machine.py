"""Mail comes and goes, and is purged, restored, pruned and repaired, in any order, and runs are killed in between.

The model is what every message consists of, by its id. Once what a kill has left is in order, each of them is in the
queue or in one batch, whole, exactly once, and nothing else is there.
"""

import os
import shutil
import stat
import tempfile
from collections import Counter, namedtuple

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from ansible_collections.mailops.rescue.plugins.module_utils.engines import queue_restore as engine
from ansible_collections.mailops.rescue.plugins.module_utils.engines.quarantine_prune import prune
from ansible_collections.mailops.rescue.plugins.module_utils.quarantine import removal
from tests.support.faults import killed
from tests.support.postfix_cases import add_log
from tests.support.postfix_queue import PostfixQueue, Recipient
from tests.support.purging import COMMON, queue_purge, queue_restore
from tests.support.qmail_queue import QmailQueue
from tests.support.repairing import queue_repair, with_owners

THOROUGH = os.environ.get("RESCUE_FAULTS") == "all"
SETTINGS = settings(
    max_examples=400 if THOROUGH else 60,
    stateful_step_count=40 if THOROUGH else 25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
    print_blob=False,
)
# On a disk, ids are used again; in memory it is quick.
MEMORY = None if THOROUGH or not os.path.isdir("/dev/shm") else "/dev/shm"
NOBODY = {"subject": "^nobody$"}
PRUNE = {name: COMMON[name] for name in ("mta", "queue_directory", "config_directory", "quarantine")}
KINDS = st.sampled_from(["spam", "news"])
# Where a run is killed, in percent of the calls that it makes, about; and whether before or after that call.
LATE = st.tuples(st.integers(30, 99), st.sampled_from(["before", "after"]))
CALLS = st.tuples(st.integers(0, 99), st.sampled_from(["before", "after"]))


# What was waiting in todo is in the batch as it was before qmail-send saw it, and comes back so: nobody can tell then
# that it was delivered meanwhile. All else shares its files with the batch.
Loose = namedtuple("Loose", "content is_delivered may_return was_waiting")


def described(path):
    """Return what a file is: all that must come back."""
    status = os.lstat(path)
    with open(path, "rb") as file:
        data = file.read()
    return (data, stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, status.st_mtime_ns, status.st_ino)


class Machine(RuleBasedStateMachine):
    """What both MTAs share.

    `model`: {id: {kind of file: what it is}}; `kinds`: {id: kind of mail}. `loose`: {id: Loose} of messages that the
    MTA got hold of while what a kill had left was not in order: in a batch they may be in another shape than they were.
    """

    def __init__(self):
        super().__init__()
        self.folder = tempfile.mkdtemp(prefix="rescue-machine-", dir=MEMORY)
        self.queue = self.make(os.path.join(self.folder, "queue"))
        self.path = self.queue.path
        self.model = {}
        self.kinds = {}
        self.loose = {}
        self.is_dirty = False
        self.serial = 0

    def teardown(self):
        try:
            self.put_in_order()
            for name in self.batches():
                queue_restore(self.path, batch=name, release=True)
            self.check()
            assert set(self.model) <= set(self.there(self.path))
        finally:
            shutil.rmtree(self.folder)

    # What there is

    def batches(self):
        """Return {name: path of its files} of what is a batch of mail."""
        beside, found = self.path + ".quarantine", {}
        for name in sorted(os.listdir(beside)) if os.path.isdir(beside) else ():
            manifest = os.path.join(beside, name, "manifest.json")
            # It is the last file to be written: an empty one means that no message came in here yet.
            if os.path.exists(manifest) and os.path.getsize(manifest):
                found[name] = os.path.join(beside, name, "files")
        return found

    def there(self, root):
        """Return {id: {kind of file: what it is}} of a queue, or a batch's files."""
        found = {}
        for folder, kind in self.FOLDERS.items():
            for directory, _, names in os.walk(os.path.join(root, folder)):
                for name in names:
                    files = found.setdefault(name, {})
                    assert kind not in files, "%s is twice in %s" % (name, root)
                    files[kind] = described(os.path.join(directory, name))
        return found

    def check(self):
        """Everything is there, whole, once, and nothing else."""
        found = Counter()
        for root in [self.path, *self.batches().values()]:
            for one, files in self.there(root).items():
                found[one] += 1
                if one in self.loose:
                    known = self.loose[one]
                    assert files[self.TEXT][0] == known.content
                    assert known.may_return or root != self.path, "%s is there again after it was delivered" % one
                else:
                    assert one in self.model, "%s is in %s, and nobody put it there: %r" % (one, root, files)
                    assert files == self.model[one], "%s in %s" % (one, root)
        for one in [one for one, known in self.loose.items() if known.is_delivered and not found[one]]:
            self.forget(one)
        assert found == Counter([*self.model, *self.loose])

    def nothing_is_lost(self):
        """What holds at every instant: each message is whole in the queue, or in a batch."""
        roots = [self.there(root) for root in [self.path, *self.batches().values()]]
        for one, files in self.model.items():
            assert any(self.is_there(files, found.get(one)) for found in roots), one

    def put_in_order(self):
        queue_purge(self.path, select=NOBODY)
        self.is_dirty = False
        self.check()

    def forget(self, one):
        for known in (self.model, self.kinds, self.loose):
            known.pop(one, None)

    def remember(self, number, kind):
        one = str(number)
        assert one not in self.kinds, "the id of a message that is still there was used again"
        self.model[one] = self.there(self.path)[one]
        self.kinds[one] = kind

    def of_kind(self, kind):
        return {one for one in self.kinds if self.kinds[one] == kind}

    def pick(self, which, choice):
        choice = sorted(choice)
        return choice[which % len(choice)] if choice else None

    # What is done

    @initialize()
    def some_mail(self):
        for kind in ("spam", "news"):
            self.arrives(kind)

    @rule(kind=KINDS, unprocessed=st.booleans(), by_id=st.booleans())
    def purge(self, kind, unprocessed, by_id):
        if self.is_dirty:
            self.put_in_order()
        wanted, queue = self.of_kind(kind), self.there(self.path)
        takable = {one for one in wanted & set(queue) if self.may_be_taken(queue[one], unprocessed)}
        select = {"ids": sorted(wanted) or ["0"]} if by_id else {"subject": "^%s" % kind}
        result = queue_purge(self.path, select=select, unprocessed=unprocessed)
        assert set(self.there(self.path)) == set(queue) - takable
        assert (result["purged"], result["changed"]) == (len(takable), bool(takable))
        self.check()

    @rule(kind=KINDS)
    def purge_at_once(self, kind):
        """With what a killed run has left not yet in order."""
        queue_purge(self.path, select={"subject": "^%s" % kind}, unprocessed=True)
        self.is_dirty = False
        self.check()
        queue = self.there(self.path)
        assert not [one for one in self.of_kind(kind) & set(queue) if self.may_be_taken(queue[one], True)]

    @rule(kind=st.none() | KINDS, which=st.integers(0, 99), release=st.booleans())
    def restore(self, kind, which, release):
        name = self.pick(which, self.batches())
        if name is None:
            return
        select = None if kind is None else {"subject": "^%s" % kind}
        result = queue_restore(self.path, batch=name, select=select, release=release)
        self.is_dirty = False
        self.check()
        left = self.there(self.batches()[name]) if name in self.batches() else {}
        left = set(left) & (self.of_kind(kind) if kind else set(self.kinds))
        assert left <= set(self.loose) | self.staying(name, release), result["left"]

    @rule(which=st.integers(0, 99), at=st.none() | CALLS)
    def prune(self, which, at):
        name = self.pick(which, self.batches())
        if name is None:
            return
        there = set(self.there(self.batches()[name]))

        def run(path):
            prune(dict(PRUNE, queue_directory=path, batch=[name], label=None, older_than=None))

        if at is None:
            run(self.path)
            assert self.is_dirty or name not in self.batches()
        else:
            self.killed(run, at, 30 + 4 * len(there))
        if name not in self.batches():
            for one in there:
                self.forget(one)
        self.nothing_is_lost()

    @rule(at=LATE, kind=KINDS)
    def killed_while_it_purges(self, at, kind):
        count = len(self.of_kind(kind) & set(self.there(self.path)))
        most = self.CALLS_TO_BEGIN + self.CALLS_EACH * count if count else 2
        self.kill(lambda path: queue_purge(path, select={"subject": "^%s" % kind}, unprocessed=True), at, most)

    @rule(at=CALLS, which=st.integers(0, 99), release=st.booleans())
    def killed_while_it_restores(self, at, which, release):
        name = self.pick(which, self.batches())
        if name is not None:
            most = 8 + self.CALLS_EACH * len(self.there(self.batches()[name]))
            self.kill(lambda path: queue_restore(path, batch=name, release=release), at, most)

    def kill(self, run, at, most):
        self.is_dirty = True
        self.killed(run, at, most)
        self.nothing_is_lost()

    def killed(self, run, at, most):
        percent, fault = at
        killed(run, self.path, percent * most // 100, fault)

    @rule()
    def next_run(self):
        self.put_in_order()

    @precondition(lambda self: not self.is_dirty)
    @rule()
    def repair(self):
        result = queue_repair(self.path)
        assert not result["changed"], result
        self.check()


class Qmail(Machine):
    FOLDERS = {one: one for one in ("mess", "info", "local", "remote", "bounce", "todo", "intd")}
    TEXT = "mess"
    CALLS_TO_BEGIN, CALLS_EACH = 45, 18

    @staticmethod
    def make(path):
        return QmailQueue(path, split=2, owners=with_owners())

    @staticmethod
    def may_be_taken(files, unprocessed):
        return ("info" in files and "todo" not in files) or ("todo" in files and unprocessed)

    @staticmethod
    def is_there(files, found):
        return files == found

    @staticmethod
    def staying(name, release):
        return set()

    @rule(
        kind=KINDS,
        state=st.sampled_from(["S5", "S5", "S5", "S4", "S3", "S2"]),
        bounce=st.booleans(),
        local=st.booleans(),
        remote=st.booleans(),
    )
    def enqueue(self, **options):
        self.arrives(**options)

    def arrives(self, kind, state="S4", bounce=False, local=False, remote=True):
        self.serial += 1
        number = self.queue.add(
            b"Subject: %s\n\n%d\n" % (kind.encode(), self.serial),
            b"" if bounce else b"a@example.net",
            local=[b"l@example.com"] if local else [],
            remote=[b"r@example.org", b"s@example.org"] if remote or not local else [],
            done=[b"s@example.org"] if bounce else [],
            state=state,
            bounce_text=b"<x@example.org>:\nno\n\n" if bounce and state == "S5" else None,
        )
        self.remember(number, kind)

    def file(self, kind, one):
        folder = "" if kind in ("todo", "intd", "bounce") else "%d/" % (int(one) % 2)
        return "%s/%s/%s%s" % (self.path, kind, folder, one)

    def remove(self, one, *kinds):
        for kind in kinds:
            if os.path.exists(self.file(kind, one)):
                os.unlink(self.file(kind, one))

    def pick_ready(self, which):
        """Return a message that a qmail-send which is started now would deliver: it has info and no todo."""
        queue = self.there(self.path)
        return self.pick(which, [one for one, files in queue.items() if "info" in files and "todo" not in files])

    @rule(which=st.integers(0, 99))
    def deliver_one_recipient(self, which):
        one = self.pick_ready(which)
        if one is not None and self.mark(one, 1):
            self.changed(one)

    @rule(which=st.integers(0, 99))
    def deliver(self, which):
        """As qmail-send does it: marks recipients, drops each channel, the notice, info; qmail-clean drops the rest."""
        one = self.pick_ready(which)
        if one is None:
            return
        marked = self.mark(one, 9)
        self.remove(one, "local", "remote", "bounce", "info", "mess")
        if not self.is_dirty or not any(one in self.there(root) for root in self.batches().values()):
            # Its id is free for the next one.
            self.forget(one)
        elif marked or one in self.loose:
            self.changed(one)
            known = self.loose[one]
            self.loose[one] = known._replace(is_delivered=True, may_return=known.may_return and known.was_waiting)

    def mark(self, one, most):
        """Mark recipients as done, in place; return how many."""
        marked = 0
        for kind in ("local", "remote"):
            path = self.file(kind, one)
            if os.path.exists(path):
                with open(path, "r+b") as file:
                    position = 0
                    for record in file.read().split(b"\0")[:-1]:
                        if record[:1] == b"T" and marked < most:
                            file.seek(position)
                            file.write(b"D")
                            marked += 1
                        position += len(record) + 1
        return marked

    @rule(which=st.integers(0, 99))
    def preprocess(self, which):
        """As qmail-send does it with a message in todo."""
        one = self.pick(which, [one for one, files in self.there(self.path).items() if "todo" in files])
        if one is not None:
            self.remove(one, "info", "local", "remote")
            self.queue.add_preprocessed(int(one), b"a@example.net", [], [b"r@example.org"], 1700000000)
            self.remove(one, "intd", "todo")
            self.changed(one, True)

    def changed(self, one, was_waiting=False):
        """The MTA has changed a message in the queue."""
        if not self.is_dirty:
            if one in self.model:
                self.model[one] = self.there(self.path)[one]
        elif one in self.model:
            self.loose[one] = Loose(self.model.pop(one)[self.TEXT][0], False, True, was_waiting)


class Postfix(Machine):
    FOLDERS = dict(
        dict.fromkeys(("maildrop", "incoming", "active", "deferred", "hold", "corrupt"), "message"),
        defer="defer",
        bounce="bounce",
        trace="trace",
    )
    TEXT = "message"
    CALLS_TO_BEGIN, CALLS_EACH = 30, 6

    @staticmethod
    def make(path):
        return PostfixQueue(path)

    @staticmethod
    def may_be_taken(files, unprocessed):
        # While cleanup(8) writes it, it cannot be executed.
        return bool(files["message"][1] & 0o100)

    @staticmethod
    def is_there(files, found):
        return found is not None and found.get("message") == files["message"]

    def staying(self, name, release):
        if release or name not in self.batches():
            return set()
        return set(os.listdir(self.batches()[name] + "/maildrop"))

    @rule(
        kind=KINDS,
        place=st.sampled_from(["deferred", "deferred", "hold", "active", "incoming", "maildrop"]),
        complete=st.sampled_from([True, True, True, False]),
        late=st.booleans(),
        logs=st.booleans(),
    )
    def enqueue(self, **options):
        self.arrives(**options)

    def arrives(self, kind, place="deferred", complete=True, late=True, logs=True):
        self.serial += 1
        recipients = [Recipient("r@example.org", reason="timed out" if late and place != "maildrop" else None)]
        number = self.queue.add(
            "Subject: %s\n\n%d\n" % (kind, self.serial),
            "a@example.net",
            recipients,
            place,
            arrival=1790000000 + self.serial * 1.000037,
            complete=complete,
        )
        for log in ("bounce", "trace") if logs else ():
            add_log(self.queue, log, number)
        self.remember(number, kind)

    def paths(self, one):
        """Return the files of a message, its logs first."""
        return [
            os.path.join(directory, one)
            for folder in reversed(list(self.FOLDERS))
            for directory, _, names in os.walk(os.path.join(self.path, folder))
            if one in names
        ]

    @rule(which=st.integers(0, 99))
    def deliver(self, which):
        queue = self.there(self.path)
        one = self.pick(which, [one for one, files in queue.items() if "message" in files])
        if one is not None:
            for path in self.paths(one):
                os.unlink(path)
            self.forget(one)

    @rule(which=st.integers(0, 99), place=st.sampled_from(["deferred", "hold", "active"]))
    def move(self, which, place):
        """As qmgr(8) and postsuper(1) do it."""
        queue = self.there(self.path)
        one = self.pick(which, [one for one, files in queue.items() if "message" in files])
        if one is not None:
            folder = os.path.join(self.path, place, one[0] if place == "deferred" else "")
            os.makedirs(folder, 0o700, exist_ok=True)
            os.rename(self.paths(one)[-1], os.path.join(folder, one))


@pytest.mark.parametrize("machine", [Qmail, Postfix])
def test_any_order(machine, monkeypatch):
    # So that a run is killed with some of its messages done.
    monkeypatch.setattr(removal, "_CHUNK", 2)
    monkeypatch.setattr(engine, "_CHUNK", 2)
    run_state_machine_as_test(machine, settings=SETTINGS)
