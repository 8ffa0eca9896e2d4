"""What every MTA's adapter must do, whichever MTA it is (see mta/contract.py)."""

import os
import re
import shutil
import tempfile
import time

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.engines.quarantine_info import list_batches
from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.mail.message import ENVELOPE, HEADER, STAT
from ansible_collections.mailops.rescue.plugins.module_utils.mta import contract, detect
from ansible_collections.mailops.rescue.plugins.module_utils.mta.registry.adapters import ADAPTERS
from ansible_collections.mailops.rescue.plugins.module_utils.mta.registry.changes import CHANGES
from ansible_collections.mailops.rescue.plugins.module_utils.mta.registry.counts import COUNTS
from ansible_collections.mailops.rescue.plugins.module_utils.mta.registry.facts import FACTS
from ansible_collections.mailops.rescue.plugins.module_utils.mta.registry.repairs import REPAIRS
from ansible_collections.mailops.rescue.plugins.module_utils.watch import queues
from tests.support.faults import fail_points, kill_points
from tests.support.inspecting import OPTIONS, queue_info
from tests.support.purging import PURGE, queue_purge, queue_restore, snapshot
from tests.support.repairing import queue_repair

from .maildir import registered
from .spools import SPOOLS

SPAM = {"subject": "^spam"}
# From both ends of a run, and some between.
STEP = 1 if os.environ.get("RESCUE_FAULTS") == "all" else 3


@pytest.fixture(autouse=True)
def _all_mtas():
    with registered():
        yield


@pytest.fixture(params=SPOOLS, ids=lambda kind: kind.mta)
def kind(request):
    return request.param


class Filled:
    """A spool with three spams and two other messages."""

    def __init__(self, kind, path):
        self.spool = kind(os.path.join(str(path), "queue"))
        self.path = self.spool.path
        now = time.time()
        self.spam = [
            self.spool.add(b"Subject: spam %d\n\nbody\n" % number, "a@example.net", "r@example.org", now - 1000)
            for number in range(3)
        ]
        self.other = [
            self.spool.add(b"Subject: hello\n\nbody\n", "b@example.net", "r@example.org", now - 90000)
            for number in range(2)
        ]
        self.before = snapshot(self.path)

    def ids(self):
        return sorted(message["id"] for message in queue_info(self.path)["messages"])


@pytest.fixture
def filled(kind, tmp_path):
    return Filled(kind, tmp_path)


@pytest.fixture
def fresh(kind):
    """What makes filled spools, one at a time, where a disk is quick."""
    made = []

    def make():
        while made:
            shutil.rmtree(made.pop())
        made.append(tempfile.mkdtemp(prefix="rescue-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
        return Filled(kind, made[-1])

    yield make
    while made:
        shutil.rmtree(made.pop())


def quarantine_info(filled, **options):
    given = dict(OPTIONS, queue_directory=filled.path, quarantine=None, batch=None, verify=True)
    return list_batches(dict(given, **options))


def methods(shape):
    """Return the names that a class of the contract promises."""
    return {name for name in vars(shape) if not name.startswith("_")}


@pytest.mark.parametrize(
    ("table", "shape"),
    [
        (ADAPTERS, contract.Adapter),
        (CHANGES, contract.Changes),
        (REPAIRS, contract.Repairs),
        (COUNTS, contract.Counts),
        (FACTS, contract.Facts),
    ],
    ids=["adapters", "changes", "repairs", "counts", "facts"],
)
def test_each_part_has_what_the_contract_promises(table, shape):
    optional = {"dropped"}
    lacking = {
        part.name: sorted(name for name in methods(shape) - optional if not hasattr(part, name)) for part in table
    }
    assert {name: names for name, names in lacking.items() if names} == {}


def test_what_the_parts_make_has_it_too(filled):
    changes, mta = CHANGES.of(filled.spool.mta), filled.spool.mta
    repairs, adapter = REPAIRS.of(mta), ADAPTERS.of(mta)
    service = changes.service(filled.path, PURGE)
    made = [
        (contract.Reader, adapter.reader([filled.path])),
        (contract.Remover, changes.remover(filled.path, None)),
        (contract.Repairer, repairs.repairer(filled.path, {"split": None})),
    ]
    made += [(contract.Service, service)] if service is not None else []
    # Who has a Service asks that.
    optional = set() if service is None else {"is_running"}
    for shape, thing in made:
        assert sorted(name for name in methods(shape) - optional if not hasattr(thing, name)) == []
    assert adapter.capabilities.needs_stop == (service is not None)
    assert adapter.capabilities.purges_online <= hasattr(changes, "dropped")
    for _unused, thing in made[1:3]:
        thing.close()


def test_a_directory_is_known_for_what_it_is(filled, tmp_path):
    target = detect.find("auto", filled.path)
    assert (target.mta, target.directories) == (filled.spool.mta, [filled.path])
    assert detect.find(filled.spool.mta, filled.path).mta == filled.spool.mta
    (tmp_path / "else").mkdir()
    with pytest.raises(RescueError, match="^queue_directory: .* is not a queue"):
        detect.find("auto", str(tmp_path / "else"))


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ([], "mta: no qmail, Postfix or Maildir is installed here"),
        (["qmail", "maildir"], "mta: both qmail (/q) and Maildir (/q) are here; say which is meant by mta=qmail or "),
        (
            ["qmail", "postfix", "maildir"],
            "mta: qmail (/q), Postfix (/q) and Maildir (/q) are here; say which is meant",
        ),
    ],
)
def test_which_mta_is_meant_must_be_clear(monkeypatch, names, sentence):
    for adapter in ADAPTERS:
        installed = contract.Installed(lambda: "/q", None) if adapter.name in names else None
        monkeypatch.setattr(adapter, "installed", lambda installed=installed: installed)
    with pytest.raises(RescueError, match="^" + re.escape(sentence)):
        detect.find()


def test_messages_are_read_with_all_that_is_asked_for(filled):
    reader = detect.find("auto", filled.path).new_reader()
    seen = {}
    for parts in (reader.early_parts, reader.parts, reader.late_parts):
        for part in parts():
            for message in reader.read(part, pytest.fail):
                assert message.queue in reader.queues and set(message.queues) <= set(reader.queues)
                reader.load(message, STAT | ENVELOPE | HEADER)
                path = os.path.join(filled.path, reader.path(message))
                assert os.path.isfile(path) and message.arrival and message.size
                seen[message.id] = (message.sender, message.subject(), b"".join(reader.body(message)))
                assert [recipient.address for recipient in message.recipients] == [b"r@example.org"]
    assert sorted(seen) == sorted(filled.spam + filled.other)
    assert seen[filled.spam[1]] == (b"a@example.net", b"spam 1", b"body\n")


def test_each_reader_reads_anew(filled):
    target = detect.find("auto", filled.path)
    first, second = target.new_reader(), target.new_reader()
    assert first is not second
    for reader in (first, second):
        parts = list(reader.early_parts()) + list(reader.parts())
        assert sum(1 for part in parts for unused in reader.read(part, pytest.fail)) == 5


@pytest.mark.parametrize("workers", [1, 3])
def test_a_selection_matches(filled, workers):
    result = queue_info(filled.path, select=SPAM, workers=workers)
    assert (result["mta"], result["counts"]["total"], result["counts"]["matched"]) == (filled.spool.mta, 5, 3)
    assert sorted(message["id"] for message in result["messages"]) == sorted(filled.spam)
    aged = queue_info(filled.path, select={"older_than": "1d"})
    assert sorted(message["id"] for message in aged["messages"]) == sorted(filled.other)


def test_a_forecast_changes_nothing_and_comes_true(filled):
    foreseen = queue_purge(filled.path, select=SPAM, check_mode=True)
    assert snapshot(filled.path) == filled.before and not os.path.exists(filled.path + ".quarantine")
    done = queue_purge(filled.path, select=SPAM)
    for key in ("changed", "purged", "bytes", "matched", "counts_before", "counts_after", "left", "service"):
        assert foreseen[key] == done[key], key
    assert done["purged"] == 3


def test_a_purge_takes_what_is_selected_and_a_restore_brings_it_back(filled):
    release = ADAPTERS.of(filled.spool.mta).capabilities.releases
    queue_purge(filled.path, select=SPAM)
    assert filled.ids() == sorted(filled.other)
    foreseen = queue_restore(filled.path, release=release, check_mode=True)
    done = queue_restore(filled.path, release=release)
    for key in ("changed", "restored", "bytes", "remaining", "counts_before", "counts_after"):
        assert foreseen[key] == done[key], key
    assert (done["restored"], done["left"], done["released"]) == (3, [], release)
    assert snapshot(filled.path) == filled.before


def test_a_batch_can_be_searched(filled):
    queue_purge(filled.path, all=True)
    result = quarantine_info(filled, select=SPAM)
    assert (result["counts"]["matched"], result["batches"][0]["messages"]) == (3, 5)
    assert queue_restore(filled.path, select=SPAM)["restored"] == 3
    assert filled.ids() == sorted(filled.spam)


def test_what_is_discarded_is_gone(filled):
    assert queue_purge(filled.path, select=SPAM, quarantine="discard")["purged"] == 3
    assert filled.ids() == sorted(filled.other) and not os.path.exists(filled.path + ".quarantine")


def test_what_is_spoilt_in_the_batch_stays_there(filled):
    batch = queue_purge(filled.path, select={"ids": filled.spam[:1]})["batches"][0]["path"]
    for directory, _unused, names in os.walk(os.path.join(batch, "files")):
        for name in names:
            with open(os.path.join(directory, name), "ab") as file:
                file.write(b"x")
    result = queue_restore(filled.path)
    assert (result["restored"], result["left_count"]) == (0, 1)
    assert "is not as it was taken" in result["left"][0]["reason"]


def test_nothing_in_the_queue_is_overwritten(filled):
    queue_purge(filled.path, select={"ids": filled.spam[:1]})
    copy = os.path.join(filled.path + ".quarantine", os.listdir(filled.path + ".quarantine")[0], "files")
    for directory, _unused, names in os.walk(copy):
        for name in names:
            below = os.path.relpath(os.path.join(directory, name), copy)
            with open(os.path.join(filled.path, below), "wb") as file:
                file.write(b"another")
    occupied = snapshot(filled.path)
    result = queue_restore(filled.path, release=True)
    assert (result["restored"], result["left_count"]) == (0, 1)
    assert snapshot(filled.path) == occupied


def test_a_purge_that_was_cut_off_is_put_in_order_by_the_next_one(fresh):
    def verify(filled, point):
        again = queue_purge(filled.path, select=SPAM)
        assert filled.ids() == sorted(filled.other), point
        assert all(batch["messages"] is not None for batch in again["recovered"]), point
        back = restore_all(filled)
        assert (back, snapshot(filled.path)) == (3, filled.before), point

    assert kill_points(fresh, lambda filled: queue_purge(filled.path, select=SPAM), verify, STEP) > 4


def test_a_restore_that_was_cut_off_is_put_in_order_by_the_next_one(fresh):
    def prepare():
        filled = fresh()
        queue_purge(filled.path, select=SPAM)
        return filled

    def verify(filled, point):
        restore_all(filled)
        assert snapshot(filled.path) == filled.before, point

    assert kill_points(prepare, lambda filled: queue_restore(filled.path, release=True), verify, STEP) > 1


def test_a_restore_that_fails_says_what_came_back(fresh):
    def prepare():
        filled = fresh()
        queue_purge(filled.path, select=SPAM)
        return filled

    def run(filled):
        try:
            filled.result = queue_restore(filled.path, release=True)
        except RescueError as error:
            filled.result = error.result

    def verify(filled, point):
        # Where nothing was touched, there is no result.
        result = filled.result or {"restored": 0, "remaining": 3}
        assert len(filled.ids()) == 2 + result["restored"], point
        assert result["restored"] + result["remaining"] == 3, point
        restore_all(filled)
        assert snapshot(filled.path) == filled.before, point

    assert fail_points(prepare, run, verify, ("EIO",), (False,), STEP) > 0


def restore_all(filled):
    """Restore batch by batch; return how many messages came back."""
    names = [batch["batch"] for batch in quarantine_info(filled)["batches"] if batch["messages"]]
    return sum(queue_restore(filled.path, batch=name, release=True)["restored"] for name in names)


def test_what_belongs_nowhere_is_set_aside(filled):
    assert queue_repair(filled.path, check_mode=True)["faults"] == queue_repair(filled.path)["faults"]
    filled.spool.add_stray()
    spoilt = snapshot(filled.path)
    foreseen = queue_repair(filled.path, check_mode=True)
    assert snapshot(filled.path) == spoilt
    done = queue_repair(filled.path)
    assert (foreseen["quarantined"], done["quarantined"], done["changed"]) == (1, 1, True)
    assert filled.ids() == sorted(filled.spam + filled.other)
    assert queue_repair(filled.path)["quarantined"] == 0


def test_the_watch_counts_it(filled):
    described = {"name": "x", "mta": filled.spool.mta, "directories": [filled.path]}
    assert queues.count(described).total == 5
    assert 90000 <= queues.oldest(described, time.time(), {}) < 90060
    assert queues.notices(described) == 0


def test_what_an_mta_does_not_offer_is_refused():
    with pytest.raises(RescueError, match="^mta: maildir is not supported here.$"):
        FACTS.of("maildir")


def test_one_that_is_registered_replaces_the_one_of_its_name():
    assert [adapter.name for adapter in ADAPTERS] == ["qmail", "postfix", "maildir"]
    other = ADAPTERS.of("maildir").__class__()
    ADAPTERS.register(other)
    assert ADAPTERS.of("maildir") is other and len(list(ADAPTERS)) == 3
