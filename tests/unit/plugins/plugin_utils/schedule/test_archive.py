"""Dated reports."""

import os

from ansible_collections.mailops.rescue.plugins.plugin_utils.report.files import write
from ansible_collections.mailops.rescue.plugins.plugin_utils.schedule.archive import Kept, files


def keep(kept, directory, text, stamp, most=3):
    directory.mkdir(exist_ok=True)
    write(str(directory / "report.json"), text.encode())
    return kept.add(str(directory), ["report.json"], stamp, most)


def test_the_last_stays_the_last_when_the_clock_is_set_back(tmp_path):
    kept = Kept(str(tmp_path))
    assert kept.last() is None
    stamps = ["20260102T000000Z", "20260102T000000Z", "20260101T000000Z", "20260103T000000Z"]
    for number, stamp in enumerate(stamps):
        keep(kept, tmp_path / "report", "run %d" % number, stamp)
        with open(kept.last()) as file:
            assert file.read() == "run %d" % number
    texts = [(tmp_path / "reports" / name / "report.json").read_text() for name in kept.names()]
    assert texts == ["run 1", "run 2", "run 3"]


def test_a_name_is_short_however_often_the_clock_was_ahead(tmp_path):
    kept = Kept(str(tmp_path))
    # As reports were named before they had a number.
    for ahead in ("20990101T000000Z", "20990101T000000Z+", "20990101T000000Z++"):
        (tmp_path / "reports" / ahead).mkdir()
    for number in range(300):
        name = keep(kept, tmp_path / "report", "run %d" % number, "20260101T000000Z")
        assert kept.names()[-1] == name and len(name) < 30
    assert name == "20990101T000000Z+000300"


def test_what_a_killed_run_left_is_no_report(tmp_path):
    kept = Kept(str(tmp_path))
    (tmp_path / "reports" / ".new").mkdir()
    (tmp_path / "reports" / ".new" / "junit.xml").write_text("x")
    assert kept.names() == []
    name = keep(kept, tmp_path / "report", "x", "20260101T000000Z")
    assert os.listdir(tmp_path / "reports" / name) == ["report.json"]


def test_what_is_not_ours_stays_and_is_no_report(tmp_path):
    kept = Kept(str(tmp_path))
    for name in ("2026-audit", "lost+found", "20260101T000000Z.tar", "zz"):
        (tmp_path / "reports" / name).mkdir()
    assert kept.last() is None
    for number in range(3):
        name = keep(kept, tmp_path / "report", "x", "20260101T00000%dZ" % number, most=1)
        assert kept.names() == [name]
    assert len(os.listdir(tmp_path / "reports")) == 5


def test_replaced_files_are_told_from_old_ones(tmp_path):
    for name in ("a", "b", ".hidden"):
        write(str(tmp_path / name), b"x")
    (tmp_path / "link").symlink_to("a")
    before = files(str(tmp_path))
    assert set(before) == {"a", "b"}
    write(str(tmp_path / "a"), b"x")
    after = files(str(tmp_path))
    assert (after["a"] != before["a"], after["b"]) == (True, before["b"])
    assert files(str(tmp_path / "nosuch")) == {}


def test_alerts_are_remembered_and_bounded(tmp_path):
    kept = Kept(str(tmp_path))
    assert kept.pending() == []
    kept.remember([])
    assert not (tmp_path / "pending.json").exists()
    notices = [{"text": str(number)} for number in range(60)]
    kept.remember([(target, made) for made in notices for target in ("webhook", "smtp:a@example.com")])
    pending = kept.pending()
    assert [(target, made["text"]) for target, made in pending[::2]] == [("webhook", str(n)) for n in range(10, 60)]
    assert {target for target, _made in pending[1::2]} == {"smtp:a@example.com"}
    # One mail is sent to all whom the same notice is for.
    assert all(one[1] is other[1] for one, other in zip(pending[::2], pending[1::2]))
    (tmp_path / "pending.json").write_text("{")
    assert kept.pending() == []
