import os
import stat

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.host import programs
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue import reinjection
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.reinjection import quote
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.restore import PostfixRestorer
from tests.support.postfix_cases import small_queue
from tests.support.postfix_purge import only_batch, purge, quarantine_of
from tests.support.postfix_queue import PostfixQueue


@pytest.mark.parametrize(
    "address, quoted",
    [
        (b"a.b+c@example.org", b"a.b+c@example.org"),
        (b"root", b"root"),
        (b"-x@example.org", b"-x@example.org"),
        (b"a b@example.org", b'"a b"@example.org'),
        (b"a,b@x.org@example.org", b'"a,b@x.org"@example.org'),
        (b'a"b\\c@example.org', b'"a\\"b\\\\c"@example.org'),
        (b".a@example.org", b'".a"@example.org'),
        (b"a@[192.0.2.1]", b"a@[192.0.2.1]"),
        (b"caf\xc3\xa9@example.org", b"caf\xc3\xa9@example.org"),
        (b"@example.org", b'""@example.org'),
        (b"a@exa mple.org", None),
        (b"a@example.org>,<b@example.org", b'"a@example.org>,<b"@example.org'),
        (b"a@example.org,b", None),
        (b"a\nb@example.org", None),
        (b"a\0b@example.org", None),
    ],
)
def test_an_address_stays_one_address(address, quoted):
    assert quote(address) == quoted


@pytest.fixture
def sendmail(tmp_path, monkeypatch):
    """A sendmail that keeps its arguments and its input; return the directory, and a way to let it fail."""
    path = tmp_path / "bin"
    path.mkdir()
    program = path / "sendmail"
    program.write_text(
        "#!/bin/sh\nn=$(ls %(d)s | grep -c args)\n"
        'for one; do printf "%%s\\n" "$one"; done >%(d)s/args.$n\n'
        "cat >%(d)s/text.$n\n[ ! -e %(d)s/fail.$n ] || exit 75\n" % {"d": path}
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(programs, "PATH", "%s:%s" % (path, os.environ["PATH"]))
    monkeypatch.setattr(reinjection, "find_configuration", lambda directory: None)
    return path


def _reinject(queue, ids):
    with quarantine_of(queue.path) as quarantine, only_batch(quarantine) as batch:
        restorer = PostfixRestorer(queue.path, batch)
        entries = [entry for entry in batch.entries() if entry.id in ids]
        assert [restorer.problem(entry, "reinject") for entry in entries] == [None] * len(ids)
        done = {entry.id: reason for entry, reason in restorer.reinject(entries)}
        restorer.finish()
        left = {entry.id: PostfixRestorer(queue.path, batch).problem(entry, "reinject") for entry in batch.entries()}
        assert batch.returning() is None
    return done, left


def test_only_pending_recipients_and_the_whole_text(tmp_path, sendmail):
    queue, ids = small_queue(tmp_path / "queue")
    purge(queue.path)
    done, left = _reinject(queue, [ids["second"]])
    assert done == {ids["second"]: None} and ids["second"] not in left
    assert (sendmail / "args.0").read_text().splitlines() == [
        "-G",
        "-i",
        "-f",
        "spam2@example.net",
        "--",
        "a@example.org",
        "c@example.org",
    ]
    assert (sendmail / "text.0").read_text().endswith("Subject: second\n\nthis is second\n")
    files = [name for root, unused, names in os.walk(queue.path + ".quarantine") for name in names]
    assert ids["second"] not in files and ids["first"] in files


def test_the_null_sender_and_eight_bits(tmp_path, sendmail):
    queue = PostfixQueue(tmp_path / "queue")
    text = b"Subject: \xff\n\n\x00\x80" + b"y" * 5000 + b"\n.\nFrom \xe9\n"
    one = queue.add(text, "", [b"o'b\xe9@example.org"])
    purge(queue.path)
    assert _reinject(queue, [one])[0] == {one: None}
    assert (sendmail / "args.0").read_bytes().splitlines()[2:] == [b"-f", b"", b"--", b"o'b\xe9@example.org"]
    assert (sendmail / "text.0").read_bytes().endswith(text)


def test_what_sendmail_refuses_stays(tmp_path, sendmail):
    queue, ids = small_queue(tmp_path / "queue")
    purge(queue.path)
    (sendmail / "fail.0").write_text("")
    done, left = _reinject(queue, [ids["second"]])
    assert done == {ids["second"]: "sendmail refused it (exit status 75)"}
    assert left[ids["second"]] is None
    assert _reinject(queue, [ids["second"]])[0] == {ids["second"]: None}


def test_long_lists_of_recipients_go_in_parts(tmp_path, sendmail, monkeypatch):
    monkeypatch.setattr(reinjection, "_MOST_BYTES", 10000)
    queue, ids = small_queue(tmp_path / "queue")
    purge(queue.path)
    assert _reinject(queue, [ids["big"]])[0] == {ids["big"]: None}
    calls = [(sendmail / name).read_text().splitlines()[5:] for name in os.listdir(str(sendmail)) if "args" in name]
    assert len(calls) == 6
    assert sorted(sum(calls, [])) == sorted("r%d@example.org" % number for number in range(2000))


def test_what_went_to_some_of_them_is_not_tried_again(tmp_path, sendmail, monkeypatch):
    monkeypatch.setattr(reinjection, "_MOST_BYTES", 10000)
    queue, ids = small_queue(tmp_path / "queue")
    purge(queue.path)
    (sendmail / "fail.2").write_text("")
    done, unused = _reinject(queue, [ids["big"]])
    assert "of its 2000 recipients only" in done[ids["big"]] and "exit status 75" in done[ids["big"]]
    with quarantine_of(queue.path) as quarantine, only_batch(quarantine) as batch:
        assert batch.unsure() == {ids["big"]}


def test_nobody_left_to_get_it(tmp_path, sendmail):
    queue, ids = small_queue(tmp_path / "queue")
    purge(queue.path)
    with quarantine_of(queue.path) as quarantine, only_batch(quarantine) as batch:
        entry = next(entry for entry in batch.entries() if entry.id == ids["plain"])
        name, fd = batch.find(entry.files[0].path)
        place = os.open(name, os.O_RDWR, dir_fd=fd)
        data = os.read(place, 100000)
        os.pwrite(place, b"D", data.index(b"R\x0da@example.org"))
        os.close(place)
        restorer = PostfixRestorer(queue.path, batch)
        assert "is not as it was taken" in restorer.problem(entry, "reinject")
        assert [reason for unused, reason in restorer.reinject([entry])] == ["it has no pending recipient"]
    assert not [name for name in os.listdir(str(sendmail)) if "args" in name]


def test_without_a_sendmail(tmp_path, monkeypatch):
    monkeypatch.setattr(programs, "PATH", str(tmp_path))
    with pytest.raises(RescueError, match="needs sendmail"):
        reinjection.Injector(str(tmp_path))
