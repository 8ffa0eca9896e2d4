"""A run as a whole, with a report that a test makes in the place of a playbook."""

import errno
import fcntl
import json

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.watch import channels
from ansible_collections.mailops.rescue.plugins.plugin_utils.report.comparison import SHARED
from ansible_collections.mailops.rescue.plugins.plugin_utils.report.files import write
from ansible_collections.mailops.rescue.plugins.plugin_utils.schedule import run as program
from ansible_collections.mailops.rescue.plugins.plugin_utils.schedule.archive import Kept
from tests.support.smtp_server import serving
from tests.unit.plugins.module_utils.watch.test_channels import Taking
from tests.unit.plugins.plugin_utils.schedule.test_alert import document


@pytest.fixture
def settings(tmp_path):
    (tmp_path / "hosts").write_text("")
    return {
        "name": "control",
        "project": str(tmp_path),
        "inventory": str(tmp_path / "hosts"),
        "extra_vars": {},
        "directory": str(tmp_path / "kept"),
        "report_directory": str(tmp_path / "report"),
        "keep_reports": 5,
        "alert_unknown": False,
        "webhook": {"url": "http://x/"},
        "smtp": None,
        "syslog": False,
    }


@pytest.fixture
def sent(monkeypatch):
    made = []
    monkeypatch.setattr(channels, "send", lambda name, notice, settings: made.append(notice))
    return made


def night(tmp_path, status, previous=None, code=0):
    """What plays a night: its report says that the host's control `small` has this status."""
    return reporting(tmp_path, {"a": {"small": status}}, previous and {"a": {"small": previous}}, code)


def reporting(tmp_path, found, previous=None, code=0):
    def play(settings, compared):
        play.compared = compared
        made = document(found, previous)
        hosts = {"total": len(found), "pass": 0, "fail": 0, "unknown": 0, "unreachable": 0}
        made.update(schema_version=1, history=[], summary={"exit_code": code, "hosts": hosts})
        for one in made["controls"]:
            one.update(dict.fromkeys(SHARED, ""), title=one["id"], severity=one["severity"])
        (tmp_path / "report").mkdir(exist_ok=True)
        write(str(tmp_path / "report" / "report.json"), json.dumps(made).encode())

    return play


@pytest.mark.parametrize("code", [0, 1, 2, 3])
def test_the_exit_status_is_that_of_the_report(settings, sent, tmp_path, code):
    play = night(tmp_path, "pass", code=code)
    assert (program.run(settings, play), play.compared, sent) == (code, None, [])
    last = Kept(settings["directory"]).last()
    assert (program.run(settings, play), play.compared) == (code, last)
    assert last is not None and Kept(settings["directory"]).last() != last


def test_a_report_of_an_earlier_run_is_none(settings, sent, tmp_path):
    night(tmp_path, "pass")(settings, None)
    assert program.run(settings, lambda *unused: None) == 3
    assert [one["event"] for one in sent] == ["no_report"]
    assert Kept(settings["directory"]).names() == []


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({}, "there was no host to check; no longer in the inventory: a"),
        ({"a": "unreachable", "b": "unreachable"}, "none of 2 hosts could be checked"),
        ({"a": {"small": "error"}}, "none of 1 hosts could be checked"),
    ],
)
def test_a_night_on_which_nothing_was_checked(settings, sent, tmp_path, capsys, found, words):
    good = {"a": {"small": "pass"}}
    assert program.run(settings, reporting(tmp_path, good)) == 0
    kept = Kept(settings["directory"]).names()
    assert program.run(settings, reporting(tmp_path, found, good)) == 3
    (told,) = sent
    assert (told["event"], told["text"]) == ("no_report", "ALERT mail servers: they were not checked: " + words)
    # With an empty report, nothing could turn from pass to fail.
    assert Kept(settings["directory"]).names() == kept
    assert told["text"] in capsys.readouterr().out


@pytest.mark.parametrize(
    "found",
    [
        {"a": "unreachable", "b": {"small": "pass"}},
        {"a": {"small": "pass", "other": "error"}},
    ],
)
def test_a_night_on_which_something_was_checked(settings, sent, tmp_path, found):
    assert program.run(settings, reporting(tmp_path, found, code=3)) == 3
    assert sent == [] and len(Kept(settings["directory"]).names()) == 1


def test_hosts_that_vanished_are_said(settings, sent, tmp_path, capsys):
    good = {"a": {"small": "pass"}, "b\x1b": {"small": "pass"}}
    assert program.run(settings, reporting(tmp_path, {"a": {"small": "pass"}}, good)) == 0
    assert sent == [] and "no longer in the inventory: b\\x1b" in capsys.readouterr().out


def test_the_place_for_the_report_is_made_by_the_run(settings, sent, tmp_path):
    modes = []
    program.run(settings, lambda *unused: modes.append((tmp_path / "report").stat().st_mode & 0o777))
    assert modes == [0o750]


def test_a_full_disk_keeps_no_alert_from_being_sent(settings, sent, tmp_path, monkeypatch):
    def full(*unused):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Kept, "remember", full)
    assert program.run(settings, night(tmp_path, "fail", "pass")) == 1
    assert [one["event"] for one in sent] == ["alert"]
    # It could be lost, so the next run has to find the same.
    assert Kept(settings["directory"]).names() == []


def test_killed_before_it_is_sent_it_is_sent_by_the_next_run(settings, monkeypatch, tmp_path):
    class Killed(BaseException):
        pass

    def killed(*unused):
        raise Killed

    monkeypatch.setattr(channels, "send_all", killed)
    with pytest.raises(Killed):
        program.run(settings, night(tmp_path, "fail", "pass", code=1))
    got = []
    monkeypatch.setattr(channels, "send_all", lambda wanted, settings: [got.append(one) for one in wanted])
    assert program.run(settings, night(tmp_path, "fail", "fail", code=1)) == 1
    assert [(channel, made["event"]) for channel, made in got] == [("webhook", "alert")]


def test_one_run_at_a_time(settings, sent, tmp_path):
    (tmp_path / "kept").mkdir()
    with open(str(tmp_path / "kept" / "lock"), "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(RescueError, match="Another run"):
            program.run(settings, night(tmp_path, "pass"))


def test_by_mail(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(channels, "other_host", lambda host, port: ["127.0.0.1"])
    script = Taking()
    with serving(script) as port:
        settings["webhook"] = None
        settings["smtp"] = {
            "host": "localhost",
            "port": port,
            "tls": "auto",
            "from": "c@example.com",
            "to": ["ops@example.com"],
        }
        program.run(settings, night(tmp_path, "fail", "pass"))
    (lines,) = script.mails
    assert "Subject: ALERT mail servers: 1 of 1 fails now: a" in lines
    assert "a: pass, now fail" in lines and "  small (low)" in lines


@pytest.mark.parametrize(("refusal", "again"), [("450 4.2.0 Come back", 1), ("550 5.1.1 No such user", 0)])
def test_by_mail_to_several_of_whom_one_is_refused(settings, tmp_path, monkeypatch, capsys, refusal, again):
    monkeypatch.setattr(channels, "other_host", lambda host, port: ["127.0.0.1"])
    script = Taking()
    script.refusal = refusal
    with serving(script) as port:
        settings["webhook"] = None
        settings["smtp"] = {
            "host": "localhost",
            "port": port,
            "tls": "auto",
            "from": "c@example.com",
            "to": ["ops@example.com", "nobody@example.com", "night@example.com"],
        }
        assert program.run(settings, night(tmp_path, "fail", "pass")) == 1
        assert len(script.mails) == 1 and refusal in capsys.readouterr().err
        del script.commands[:]
        assert program.run(settings, night(tmp_path, "fail", "fail")) == again
        told = [one for one in script.commands if one.lower().startswith("rcpt")]
        assert told == ["rcpt TO:<nobody@example.com>"] * again and len(script.mails) == 1
        script.refusal = None
        assert program.run(settings, night(tmp_path, "fail", "fail")) == 0
    assert len(script.mails) == 1 + again


def test_one_mail_goes_to_all_who_were_not_told(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(channels, "other_host", lambda host, port: ["127.0.0.1"])
    script = Taking()
    settings["webhook"] = None
    settings["smtp"] = {
        "host": "localhost",
        "port": 1,
        "tls": "auto",
        "from": "c@example.com",
        "to": ["%d@example.com" % number for number in range(20)],
    }
    for _night in range(4):
        assert program.run(settings, night(tmp_path, "fail", "pass")) == 1
    with serving(script) as port:
        settings["smtp"]["port"] = port
        assert program.run(settings, night(tmp_path, "fail", "fail")) == 0
    assert len(script.mails) == 4
    assert len([one for one in script.commands if one.lower().startswith("rcpt")]) == 80
