"""A tiny MTA that is known to these tests only: a spool with one file for each message.

A message is `new/<id>` or `cur/<id>`: the sender in the first line, recipients in the second, then the text. It shows
that nothing above the adapters depends on qmail or Postfix, and how little an MTA's adapter may be.
"""

import os
from contextlib import closing, contextmanager

from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged, Vanished
from ansible_collections.mailops.rescue.plugins.module_utils.host import disk
from ansible_collections.mailops.rescue.plugins.module_utils.host.directory_tree import Tree
from ansible_collections.mailops.rescue.plugins.module_utils.host.regular_files import opened_directory, read_all
from ansible_collections.mailops.rescue.plugins.module_utils.mail.headers import Headers
from ansible_collections.mailops.rescue.plugins.module_utils.mail.message import ENVELOPE, STAT, Message, Recipient
from ansible_collections.mailops.rescue.plugins.module_utils.mta import contract
from ansible_collections.mailops.rescue.plugins.module_utils.mta.faults import QUARANTINE, Fault
from ansible_collections.mailops.rescue.plugins.module_utils.mta.registry.adapters import ADAPTERS
from ansible_collections.mailops.rescue.plugins.module_utils.mta.registry.changes import CHANGES
from ansible_collections.mailops.rescue.plugins.module_utils.mta.registry.counts import COUNTS
from ansible_collections.mailops.rescue.plugins.module_utils.mta.registry.repairs import REPAIRS
from ansible_collections.mailops.rescue.plugins.module_utils.quarantine.ledger import Entry, examine, to_line
from ansible_collections.mailops.rescue.plugins.module_utils.quarantine.set_aside import Group

__all__ = ["registered"]

QUEUES = ("new", "cur")


class MaildirAdapter(contract.Adapter):
    name = "maildir"
    title = "Maildir"
    queues = parts = QUEUES

    def installed(self):
        return None

    def queues_in(self, directory, is_named):
        if not all(os.path.isdir(os.path.join(directory, queue)) for queue in QUEUES):
            return None
        return contract.Queues([directory], [None], None, [])

    def reader(self, directories, queues_of=None, configurations=()):
        return MaildirReader(directories)


class MaildirReader(contract.Reader):
    mta = "maildir"
    queues = QUEUES

    def __init__(self, directories):
        self.directories = directories

    def early_parts(self):
        return []

    def parts(self):
        return [(index, queue) for index in range(len(self.directories)) for queue in QUEUES]

    def late_parts(self):
        return []

    def holds_more_than(self, count):
        return sum(len(os.listdir(os.path.join(self.directories[at], queue))) for at, queue in self.parts()) > count

    def read(self, part, problem):
        index, queue = part
        for name in sorted(os.listdir(os.path.join(self.directories[index], queue))):
            if name.isdigit():
                yield Message(index, name, queue)
            else:
                problem(index, "%s/%s" % (queue, name), "not a message", False)

    def load(self, message, fields):
        with opened_directory(os.path.join(self.directories[message.place], message.queue)) as fd:
            sender, recipients, text = self._parts_of(message, fd)
            message.arrival = os.stat(message.id, dir_fd=fd).st_mtime
        message.state, message.size = "ready", len(sender + recipients + text) + 2
        message.sender = sender
        message.recipients = [Recipient(address, False, None) for address in recipients.split()]
        message.headers = Headers(text)
        message.loaded |= fields

    @staticmethod
    def _parts_of(message, fd):
        parts = read_all(message.id, fd, 1 << 26).split(b"\n", 2)
        if len(parts) < 3:
            raise Damaged("it ends too early")
        return parts

    def body(self, message):
        with opened_directory(os.path.join(self.directories[message.place], message.queue)) as fd:
            text = self._parts_of(message, fd)[2]
        yield text[message.headers.body_offset :]

    def path(self, message):
        return "%s/%s" % (message.queue, message.id)


class MaildirChanges(contract.Changes):
    name = "maildir"

    def skeleton(self, queue_directory):
        return list(QUEUES)

    def split(self, queue_directory):
        return None

    def service(self, queue_directory, params):
        return None

    def remover(self, queue_directory, batch, is_online=False, unprocessed=False):
        return MaildirRemover(queue_directory, batch)

    def recover(self, queue_directory, batch, is_stopped=True):
        sizes = [entry.size for entry in batch.entries()]
        batch.sync(QUEUES)
        with closing(Tree(queue_directory)) as tree:
            tree.sync(QUEUES)
        return len(sizes), sum(sizes)

    def restorer(self, queue_directory, batch, release=False):
        return MaildirRestorer(queue_directory, batch)


class MaildirRemover(contract.Remover):
    fields = STAT | ENVELOPE

    def __init__(self, queue_directory, batch):
        self._tree = Tree(queue_directory)
        self._batch = batch

    def refusal(self, message):
        return None

    def examine(self, message, path):
        record = examine(path, message.id, self._tree.directory(message.queue))[0]
        recipients = message.recipients
        return Entry(
            message.id,
            message.queue,
            message.state,
            message.sender,
            recipients,
            len(recipients),
            message.arrival,
            message.size,
            [record],
        )

    def take(self, entries, chunk):
        if self._batch is not None:
            self._batch.append([to_line(entry, chunk) for entry in entries])
        for entry in entries:
            source = self._tree.directory(entry.queue)
            try:
                if self._batch is None:
                    disk.unlink(entry.id, source)
                else:
                    disk.move(entry.id, source, entry.id, self._batch.directory(entry.queue))
            except FileNotFoundError:
                yield entry, "it left the queue while it was being taken"
            else:
                yield entry, None

    def finish(self):
        if self._batch is not None:
            self._batch.sync(QUEUES)
        self._tree.sync(QUEUES)

    def close(self):
        self._tree.close()


class MaildirRestorer(contract.Restorer):
    def __init__(self, queue_directory, batch):
        self._tree = Tree(queue_directory)
        self._batch = batch

    def problem(self, entry, method="exact"):
        path = entry.files[0].path
        try:
            now = examine(path, *self._batch.find(path))[0]
        except Vanished:
            return "%s in the batch is missing" % path
        if now.sha256 != entry.files[0].sha256:
            return "%s in the batch is not as it was taken (sha256)" % path
        if self._tree.status(path) is not None:
            return "%s is in the queue, of a message with the same id" % path
        return None

    def queues(self, entry):
        return (entry.queue,)

    def give_back(self, entries):
        return self._move(entries, "exact")

    def reinject(self, entries):
        return self._move(entries, "reinject")

    def _move(self, entries, method):
        self._batch.begin_return([entry.id for entry in entries], method)
        reasons = {}
        for entry in entries:
            target = self._tree.directory(entry.queue if method == "exact" else "new")
            try:
                disk.move(*self._batch.find(entry.files[0].path), entry.id, target)
            except FileExistsError:
                reasons[entry.id] = "its id is in the queue, of another message"
        self._end()
        for entry in entries:
            yield entry, reasons.get(entry.id)

    def _end(self):
        self._tree.sync(QUEUES)
        self._batch.sync(QUEUES)
        self._batch.end_return()

    def recover(self):
        if self._batch.returning() is not None:
            self._end()

    def close(self):
        self._tree.close()


class MaildirRepairs(contract.Repairs):
    name = "maildir"

    def repairer(self, queue_directory, params):
        return MaildirRepairer(queue_directory)

    def service(self, queue_directory, params):
        return None


class MaildirRepairer(contract.Repairer):
    def __init__(self, directory):
        self.directory = directory
        self.notes = []
        self._tree = Tree(directory)

    def is_running(self):
        return False

    def find(self, wait=0):
        for queue in QUEUES:
            for name in sorted(os.listdir(os.path.join(self.directory, queue))):
                if not name.isdigit():
                    yield Fault("stray", "%s/%s" % (queue, name), "not a message", QUARANTINE, None)

    def repair(self, aside):
        faults = list(self.find())
        for group, reason in aside.take([self._group(fault) for fault in faults]):
            self.changed = self.changed or reason is None
            if reason is not None:
                yield next(fault for fault in faults if fault.path == group.items[0][0]), reason

    def _group(self, fault):
        queue, unused, name = fault.path.partition("/")
        return Group(name, queue, [(fault.path,) + self.place(fault.path)], fault.detail)

    @contextmanager
    def opened(self):
        yield

    def place(self, path):
        queue, unused, name = path.partition("/")
        return name, self._tree.directory(queue)

    def close(self):
        self._tree.close()


class MaildirCounts(contract.Counts):
    name = "maildir"
    sampled_parts = 2

    def count(self, directory):
        return sum(1 for unused in self.paths(directory))

    def paths(self, directory):
        for queue in QUEUES:
            for name in os.listdir(os.path.join(directory, queue)):
                yield "%s/%s" % (queue, name)

    def arrival(self, path):
        return os.stat(path).st_mtime

    def reader(self, directories):
        return MaildirReader(directories)

    def holds_any(self, directory, part):
        return True


@contextmanager
def registered():
    """Have the modules know this MTA, inside."""
    tables = {
        ADAPTERS: MaildirAdapter(),
        CHANGES: MaildirChanges(),
        REPAIRS: MaildirRepairs(),
        COUNTS: MaildirCounts(),
    }
    for table, part in tables.items():
        table.register(part)
    try:
        yield
    finally:
        for table, part in tables.items():
            table.unregister(part.name)
