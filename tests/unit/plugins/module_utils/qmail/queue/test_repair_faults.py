"""Each thing that can be wrong with a qmail queue: named, repaired or set aside, and gone at the second run."""

import json
import os
import stat
import time
from pathlib import Path

import pytest

from tests.support.inspecting import queue_info
from tests.support.qmail_queue import QmailQueue
from tests.support.repairing import contents, queue_repair, snapshot, with_owners

OLD = time.time() - 37 * 3600
SPLIT = 7


class Broken:
    """A queue with some sound messages; `path(name, number)` of a message's file as it should be."""

    def __init__(self, tmp_path, **options):
        self.queue = QmailQueue(tmp_path / "queue", split=SPLIT, owners=with_owners(), **options)
        self.root = Path(self.queue.path)
        self.big = options.get("big_todo")
        self.sound = [
            self.add("both", local=[b"l@mail.example.com"], remote=[b"r@example.net"], done=[b"r@example.net"]),
            self.add("bounce", remote=[b"r@example.net"], bounce_text="<x>:\nno\n\n"),
            self.add("done"),
            self.add("todo", remote=[b"r@example.net"], state="S4"),
            self.add("young S2", state="S2"),
            self.add("young S3", remote=[b"r@example.net"], state="S3"),
        ]
        self.number = self.add("victim", remote=[b"v@example.net"])

    def add(self, text, sender=b"s@example.com", **options):
        return self.queue.add("Subject: %s\n\nbody of %s\n" % (text, text), sender, **options)

    def path(self, name, number=None):
        number = self.number if number is None else number
        split = name in ("mess", "info", "local", "remote") or (self.big and name in ("todo", "intd"))
        return self.root / name / str(number % SPLIT) / str(number) if split else self.root / name / str(number)

    def relative(self, path):
        return str(path.relative_to(self.root))

    def age(self, *paths):
        for path in paths:
            os.utime(str(path), (OLD, OLD))

    def wrong(self):
        """A number that is not the right one."""
        return (self.number + 1) % SPLIT

    def move(self, path, number):
        other = path.parent.parent / str(number) / path.name
        path.rename(other)
        return other


@pytest.fixture
def broken(tmp_path):
    return Broken(tmp_path)


def wrong_id(broken):
    # Copying gives the file another inode, as an unpacked archive does.
    path = broken.path("mess")
    copy = broken.root / "mess" / "copy"
    copy.write_bytes(path.read_bytes())
    _like(copy, path)
    path.unlink()
    copy.rename(path)
    return [("wrong_id", path, "rename")]


def _like(path, other):
    found = other.stat()
    path.chmod(stat.S_IMODE(found.st_mode))
    os.utime(str(path), (found.st_atime, found.st_mtime))
    if os.geteuid() == 0:
        os.chown(str(path), found.st_uid, found.st_gid)


def wrong_id_in_todo(broken):
    broken.number = broken.sound[3]
    return wrong_id(broken)


def wrong_id_half_injected(broken):
    broken.number = broken.sound[5]
    return wrong_id(broken)


def wrong_id_with_bounce(broken):
    broken.number = broken.sound[1]
    return wrong_id(broken)


def wrong_split(broken):
    paths = [broken.move(broken.path(name), broken.wrong()) for name in ("mess", "info", "remote")]
    return [("wrong_split", paths[0], "rename")]


def mess_alone_in_wrong_split(broken):
    return [("wrong_split", broken.move(broken.path("mess"), broken.wrong()), "rename")]


def info_alone_in_wrong_split(broken):
    return [("wrong_split", broken.move(broken.path("info"), broken.wrong()), "rename_alone")]


def wrong_id_and_split(broken):
    wrong_id(broken)
    paths = [broken.move(broken.path(name), broken.wrong()) for name in ("mess", "info", "remote")]
    return [("wrong_id", paths[0], "rename")]


def orphan(name):
    def seed(broken):
        path = broken.path(name, 987654321)
        path.write_bytes(b"Fx@example.com\0")
        _like(path, broken.path("mess" if name in ("todo", "intd") else "info"))
        return [("orphan", path, "quarantine")]

    seed.__name__ = "orphaned_" + name
    return seed


def orphaned_todo_and_intd(broken):
    number = broken.sound[3]
    broken.path("mess", number).unlink()
    return [("orphan", broken.path(name, number), "quarantine") for name in ("todo", "intd")]


def old_s2(broken):
    path = broken.path("mess", broken.sound[4])
    broken.age(path)
    return [("orphan", path, "quarantine")]


def old_s3(broken):
    path = broken.path("mess", broken.sound[5])
    broken.age(path, broken.path("intd", broken.sound[5]))
    return [("orphan", path, "quarantine")]


def old_without_info(broken):
    broken.path("info").unlink()
    broken.age(broken.path("mess"))
    return [("orphan", broken.path("mess"), "quarantine")]


def bounce_of_an_earlier_message(broken):
    path = broken.path("bounce", broken.sound[3])
    path.write_bytes(b"<y@example.net>:\nno\n\n")
    _like(path, broken.path("info"))
    return [("orphan", path, "quarantine")]


def intd_of_an_earlier_message(broken):
    path = broken.path("intd")
    path.write_bytes(b"u0\0Fx\0")
    _like(path, broken.path("mess"))
    broken.age(path)
    return [("orphan", path, "quarantine")]


def damaged(name, data):
    def seed(broken):
        broken.path(name).write_bytes(data)
        return [("damaged", broken.path("mess"), "quarantine")]

    seed.__name__ = "damaged_%s_%d" % (name, len(data))
    return seed


def damaged_todo(broken):
    broken.path("todo", broken.sound[3]).write_bytes(b"u0\0p1\0")
    return [("damaged", broken.path("mess", broken.sound[3]), "quarantine")]


def stray_file(broken):
    path = broken.root / "mess" / "3" / "core"
    path.write_bytes(b"core")
    return [("stray", path, "quarantine")]


def stray_leading_zero(broken):
    path = broken.root / "info" / "0" / "012"
    path.write_bytes(b"Fx\0")
    return [("stray", path, "quarantine")]


def stray_link(broken):
    path = broken.root / "remote" / "2" / "4711"
    path.symlink_to("/etc/passwd")
    return [("stray", path, "quarantine")]


def stray_fifo(broken):
    path = broken.root / "bounce" / "4711"
    os.mkfifo(str(path))
    return [("stray", path, "quarantine")]


def stray_in_todo(broken):
    path = broken.root / "todo" / ".nfs0001"
    path.write_bytes(b"x")
    return [("stray", path, "quarantine")]


def pid_leftover(broken):
    path = broken.root / "pid" / "4711.1700000000.1"
    path.write_bytes(b"half")
    broken.age(path)
    return [("leftover", path, "quarantine")]


def placeholder(broken):
    path = broken.root / "pid" / "rescue.1.0"
    path.write_bytes(b"")
    return [("leftover", path, "remove")]


def missing_directory(*names):
    def seed(broken):
        for name in names:
            os.rmdir(str(broken.root / name))
        return [("missing_directory", broken.root / name, "create") for name in names]

    seed.__name__ = "missing_" + "_".join(names).replace("/", "")
    return seed


def missing_lock(broken):
    for path in (broken.root / "lock").iterdir():
        path.unlink()
    (broken.root / "lock").rmdir()
    files = [("missing_file", broken.root / "lock" / name, "create") for name in ("tcpto", "trigger", "sendmutex")]
    return [("missing_directory", broken.root / "lock", "create")] + files


def missing_file(name):
    def seed(broken):
        (broken.root / "lock" / name).unlink()
        return [("missing_file", broken.root / "lock" / name, "create")]

    seed.__name__ = "missing_" + name
    return seed


def trigger_is_a_file(broken):
    path = broken.root / "lock" / "trigger"
    path.unlink()
    path.write_bytes(b"x")
    return [("wrong_type", path, "replace")]


def tcpto_too_small(broken):
    path = broken.root / "lock" / "tcpto"
    os.truncate(str(path), 16)
    return [("wrong_size", path, "replace")]


def mode(name, bits):
    def seed(broken):
        path = broken.path(name) if name in ("mess", "info", "remote") else broken.root / name
        path.chmod(bits)
        return [("mode", path, "mode")]

    seed.__name__ = "mode_" + name.replace("/", "_")
    return seed


def extra_directories(broken):
    found = []
    for name in ("mess", "info", "local", "remote"):
        path = broken.root / name / str(SPLIT)
        path.mkdir(0o700)
        found.append(("extra_directory", path, "remove"))
    # Messages in the usual places say that the queue is split in 7 all the same.
    for number in range(30):
        broken.add("more %d" % number, remote=[b"r@example.net"])
    return found


def second_name(broken):
    broken.path("info").parent.parent.joinpath(str(broken.wrong())).joinpath(str(broken.number)).hardlink_to(
        broken.path("info")
    )
    return [("second_name", broken.root / "info" / str(broken.wrong()) / str(broken.number), "remove")]


SEEDS = [
    wrong_id,
    wrong_id_in_todo,
    wrong_id_half_injected,
    wrong_id_with_bounce,
    wrong_split,
    mess_alone_in_wrong_split,
    info_alone_in_wrong_split,
    wrong_id_and_split,
    orphan("info"),
    orphan("local"),
    orphan("remote"),
    orphan("bounce"),
    orphan("todo"),
    orphan("intd"),
    orphaned_todo_and_intd,
    old_s2,
    old_s3,
    old_without_info,
    bounce_of_an_earlier_message,
    intd_of_an_earlier_message,
    damaged("info", b""),
    damaged("info", b"Xx\0"),
    damaged("info", b"Fx"),
    damaged("remote", b"Tx@example.net"),
    damaged("remote", b"Qx\0"),
    damaged_todo,
    stray_file,
    stray_leading_zero,
    stray_link,
    stray_fifo,
    stray_in_todo,
    pid_leftover,
    placeholder,
    missing_directory("bounce"),
    missing_directory("pid"),
    missing_directory("local/0", "local/1"),
    missing_lock,
    missing_file("tcpto"),
    missing_file("trigger"),
    missing_file("sendmutex"),
    trigger_is_a_file,
    tcpto_too_small,
    mode("mess", 0o666),
    mode("info", 0o644),
    mode("mess/3", 0o777),
    mode("lock/trigger", 0o600),
    extra_directories,
    second_name,
]
EMPTIED = {"missing_bounce": ("bounce",), "missing_local0_local1": ("local",)}


def test_a_sound_queue_has_no_faults(broken):
    before = snapshot(broken.root)
    result = queue_repair(broken.root)
    assert (result["faults"], result["changed"], result["service"]) == ([], False, [])
    assert snapshot(broken.root) == before
    assert not Path(str(broken.root) + ".quarantine").exists()


@pytest.mark.parametrize("big_todo", [False, True], ids=["todo", "big-todo"])
@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.__name__)
def test_fault(tmp_path, seed, big_todo):
    if seed.__name__ in EMPTIED:
        # A directory can only be missing with nothing in it.
        broken = Broken.__new__(Broken)
        broken.queue = QmailQueue(tmp_path / "queue", split=SPLIT, owners=with_owners(), big_todo=big_todo)
        broken.root, broken.big, broken.sound = Path(broken.queue.path), big_todo, []
        broken.number = broken.add("victim", remote=[b"v@example.net"])
    else:
        broken = Broken(tmp_path, big_todo=big_todo)
    expected = sorted((kind, broken.relative(path), repair) for kind, path, repair in seed(broken))
    kept, before = contents(broken.root), snapshot(broken.root)
    foreseen = queue_repair(broken.root, True)
    assert snapshot(broken.root) == before
    assert not Path(str(broken.root) + ".quarantine").exists()
    shown = sorted((one["kind"], one["path"], one["repair"]) for one in foreseen["faults"])
    # Files that a test's user made have his owner.
    shown = [one for one in shown if one[0] != "owner" or (expected and expected[0][0] == "owner")]
    shown = [one for one in shown if one[0] != "mode" or any(each[0] == "mode" for each in expected)]
    assert shown == expected
    result = queue_repair(broken.root)
    for name in ("faults", "fault_counts", "fault_count", "repaired", "quarantined", "left", "changed", "notes"):
        assert result[name] == foreseen[name], name
    assert (result["changed"], result["left"]) == (True, [])
    assert result["repaired"] + result["quarantined"] == result["fault_count"]
    again = queue_repair(broken.root)
    assert (again["faults"], again["changed"], again["batch"]) == ([], False, None)
    after = contents(broken.root)
    if seed is placeholder:
        kept.subtract(
            contents(Path("/absent")) + type(kept)(["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"])
        )
        kept = +kept
    if not seed.__name__.startswith(("trigger", "tcpto")):
        assert after == kept
    else:
        assert not kept - after
    assert queue_info(broken.root)["damaged_count"] == 0


def test_owners(broken):
    if not with_owners():
        pytest.skip("NOT TESTED: needs root and the users of qmail")
    expected = set()
    for path in (broken.path("mess"), broken.path("info"), broken.root / "mess" / "3", broken.root / "lock" / "tcpto"):
        os.chown(str(path), 4711, 4711)
        expected.add(("owner", broken.relative(path), "owner"))
    # Whoever runs qmail-queue leaves his group on what it writes.
    os.chown(str(broken.path("mess", broken.sound[0])), -1, 4711)
    result = queue_repair(broken.root)
    assert {(one["kind"], one["path"], one["repair"]) for one in result["faults"]} == expected
    assert (result["repaired"], result["left"], queue_repair(broken.root)["faults"]) == (4, [], [])
    assert broken.path("info").stat().st_uid == (broken.root / "info").stat().st_uid


def test_what_was_set_aside_is_in_the_ledger(broken):
    stray_file(broken)
    result = queue_repair(broken.root, label="after the crash")
    (batch,) = result["batches"]
    assert (batch["files"], os.path.basename(batch["path"])) == (1, result["batch"])
    path = Path(batch["path"])
    manifest = json.loads((path / "manifest.json").read_text())
    assert (manifest["kind"], manifest["label"], manifest["split"]) == ("repair", "after the crash", SPLIT)
    assert (path / "files" / "mess" / "3" / "core").read_bytes() == b"core"
    lines = [json.loads(line) for line in (path / "ledger.jsonl").read_text().splitlines() if line]
    assert [(one["id"], one["queue"], one["reason"]) for one in lines] == [("core", "mess", "stray: not a queue id")]
    assert lines[0]["files"][0]["path"] == "mess/3/core"
    assert json.loads((path / "complete.json").read_text())["files"] == 1


def test_a_directory_is_left(broken):
    (broken.root / "mess" / "backup").mkdir()
    (broken.root / "info" / "2" / "12").mkdir()
    stray_file(broken)
    result = queue_repair(broken.root)
    assert [(one["path"], one["reason"]) for one in result["left"]] == [
        ("info/2/12", "a directory; look what is in it, and move it away"),
    ]
    assert (result["fault_count"], result["quarantined"], result["left_count"]) == (2, 1, 1)
    again = queue_repair(broken.root)
    assert (again["changed"], again["left"], again["service"]) == (False, result["left"], [])


def test_messages_that_have_each_others_ids(tmp_path):
    broken = Broken(tmp_path)
    numbers = [broken.add("cycle %d" % number, remote=[b"c%d@example.net" % number]) for number in range(5)]
    before = {one["subject"]: one["recipients"][0]["address"] for one in _cycle(broken)}
    # Each one gets the next one's id, with its envelope.
    for name in ("mess", "info", "remote"):
        for number in numbers:
            broken.path(name, number).rename(broken.root / name / ("%d.moving" % number))
        for number, other in zip(numbers, numbers[1:] + numbers[:1]):
            (broken.root / name / ("%d.moving" % number)).rename(broken.path(name, other))
    kept = contents(broken.root)
    foreseen = queue_repair(broken.root, True)
    assert foreseen["fault_counts"] == {"wrong_id": 5}
    result = queue_repair(broken.root)
    assert (result["repaired"], result["left"]) == (5, [])
    assert {one["subject"]: one["recipients"][0]["address"] for one in _cycle(broken)} == before
    assert contents(broken.root) == kept
    assert list((broken.root / "pid").iterdir()) == []
    assert queue_repair(broken.root)["faults"] == []


def _cycle(broken):
    return queue_info(broken.root, select={"subject": "^cycle"}, limit=100)["messages"]


def test_an_orphan_has_the_id_that_a_message_needs(broken):
    wrong_id(broken)
    inode = broken.path("mess").stat().st_ino
    path = broken.path("remote", inode)
    path.write_bytes(b"Tother@example.net\0")
    _like(path, broken.path("remote"))
    kept = contents(broken.root)
    result = queue_repair(broken.root)
    assert result["fault_counts"] == {"wrong_id": 1, "orphan": 1}
    assert (result["left"], queue_repair(broken.root)["faults"]) == ([], [])
    assert contents(broken.root) == kept
    assert broken.path("remote", inode).read_bytes() == b"Tv@example.net\0"


def test_faults_are_bounded(broken):
    for number in range(1, 301):
        path = broken.path("info", number + 10**12)
        path.write_bytes(b"F" + b"\x1b" * 200 + b"\0")
        _like(path, broken.path("info"))
        (broken.root / "mess" / "1" / ("x" * 240 + "\u202e%d" % number)).write_bytes(b"")
    result = queue_repair(broken.root, True)
    assert (result["fault_count"], len(result["faults"])) == (600, 200)
    assert result["fault_counts"] == {"orphan": 300, "stray": 300}
    assert len(json.dumps(result)) < 256 * 1024
    assert "\u202e" not in json.dumps(result, ensure_ascii=False)
    assert queue_repair(broken.root)["quarantined"] == 600


def test_attributes_of_messages_stay(broken):
    wrong_id(broken)
    before = {name: broken.path(name).stat() for name in ("mess", "info", "remote")}
    queue_repair(broken.root)
    for name, found in before.items():
        after = broken.path(name, before["mess"].st_ino).stat()
        assert (after.st_ino, after.st_mode, after.st_mtime_ns, after.st_nlink) == (
            found.st_ino,
            found.st_mode,
            found.st_mtime_ns,
            1,
        ), name
