"""Runs of the watch as a whole, on a queue on the disk, with channels that only note what they are given."""

import fcntl
import io
import json
import os
import subprocess
import sys
from unittest import mock

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.host import disk
from ansible_collections.mailops.rescue.plugins.module_utils.watch import channels, queues, run
from ansible_collections.mailops.rescue.plugins.module_utils.watch.state import Memory
from tests.support.postfix_queue import PostfixQueue
from tests.support.smtp_server import serving
from tests.unit.plugins.module_utils.watch.test_channels import Taking, mail

OK, WARNING, CRITICAL, UNKNOWN = range(4)


def test_from_silence_to_alert_to_recovery(watched, capsys):
    assert watched.run() == OK
    watched.add(6)
    assert watched.run() == CRITICAL
    assert watched.run() == CRITICAL
    watched.empty()
    assert watched.run() == OK
    assert watched.events() == ["alert", "recovery"]
    alert, recovery = (made for _name, _event, made in watched.sent)
    assert alert["messages"] == 6
    assert alert["text"].startswith("ALERT mx1 queue postfix: 6 messages, threshold 5; since 20")
    assert alert["next"] == "ansible-playbook mailops.rescue.inspect -l 'mx1'"
    assert recovery["text"].startswith("RECOVERED mx1 queue postfix: 0 messages, 6 at most, since 20")
    assert recovery["since"] == alert["since"]
    assert "QUEUE CRITICAL - postfix: 6 messages, threshold 5 | 'postfix'=6;;5;0" in capsys.readouterr().out


def test_what_many_queues_leave_is_read_again(tmp_path):
    queues_left = {
        "queue%d" % number: {"samples": [[1800000000.25 + one, 123456] for one in range(200)], "told": {}}
        for number in range(300)
    }
    with Memory(str(tmp_path)) as memory:
        memory.save(queues_left)
    with Memory(str(tmp_path)) as memory:
        assert memory.load() == queues_left


def test_no_message_is_opened_below_the_threshold(watched):
    watched.settings.update(bounce_share=10, bounce_minimum=5, age=86400)
    watched.add(5)
    with mock.patch("os.open", side_effect=_only_directories(os.open)):
        assert watched.run() == OK
    watched.add(1)
    with mock.patch.object(run.queues, "notices", return_value=None) as notices:
        watched.run()
    assert notices.called


def _only_directories(real):
    def opened(path, flags, *arguments, **options):
        assert "deferred" not in str(path), path
        return real(path, flags, *arguments, **options)

    return opened


def test_each_channel_gets_one(watched):
    watched.settings.update(webhook={"url": "x"}, smtp={"to": ["a@example.com", "b@example.com"]})
    watched.add(6)
    for _ in range(3):
        watched.run()
    assert sorted(name for name, _event, _made in watched.sent) == ["smtp", "syslog", "webhook"]
    assert watched.settings["smtp"]["to"] == ["a@example.com", "b@example.com"]


def test_a_failing_channel_is_tried_again_and_stops_no_other(watched, capsys):
    watched.settings["webhook"] = {"url": "x"}
    watched.failing["webhook"] = "the server answered 500"
    watched.add(6)
    assert watched.run() == CRITICAL
    assert watched.run() == CRITICAL
    assert watched.events() == ["alert"]
    assert "alert of queue postfix not sent by webhook, which is tried again: the server answered 500." in (
        capsys.readouterr().out
    )
    watched.failing.clear()
    watched.run()
    watched.run()
    assert watched.events("webhook") == ["alert"]
    assert watched.events() == ["alert"]


def test_a_channel_that_fails_is_a_warning_when_all_else_is_well(watched, capsys):
    watched.add(6)
    watched.run()
    watched.empty()
    watched.failing["syslog"] = "no"
    assert watched.run() == WARNING
    assert "QUEUE WARNING - postfix: 0 messages; not told by syslog" in capsys.readouterr().out
    assert watched.run("--status", later=1) == WARNING
    watched.failing.clear()
    assert watched.run() == OK
    assert watched.events() == ["alert", "recovery"]


def test_what_comes_later_takes_the_place_of_what_did_not_get_out(watched):
    watched.failing["syslog"] = "no"
    watched.add(6)
    watched.run()
    watched.empty()
    watched.run()
    watched.failing.clear()
    watched.run()
    assert watched.events() == ["recovery"]


def test_what_did_not_get_out_is_no_reason_to_be_silent(watched):
    watched.settings["webhook"] = {"url": "x"}
    watched.failing["webhook"] = "no"
    watched.add(6)
    watched.run()
    watched.empty()
    watched.run()
    watched.add(7)
    watched.run()
    watched.failing.clear()
    for _ in range(4):
        assert watched.run() == CRITICAL
    # Not that it is over, which it is not.
    assert watched.events("webhook") == ["alert"]


def test_a_recovery_that_is_no_longer_true_is_not_told(watched):
    watched.settings["webhook"] = {"url": "x"}
    watched.add(6)
    watched.run()
    watched.failing["webhook"] = "no"
    watched.empty()
    watched.run()
    watched.add(6)
    watched.run()
    watched.failing.clear()
    for _ in range(70):
        watched.run()
    assert watched.events("webhook") == ["alert", "alert"]


def test_what_does_not_get_out_is_tried_less_and_less(watched):
    watched.settings["webhook"] = {"url": "x"}
    watched.failing["webhook"] = "no"
    watched.add(6)
    tried = []
    for minute in range(200):
        watched.tried.clear()
        watched.run()
        tried += [minute] * watched.tried.count("webhook")
    # The cool-down is an hour.
    assert tried == [0, 1, 3, 7, 15, 31, 63, 123, 183]
    # What is new is tried at once.
    watched.empty()
    watched.run()
    assert watched.tried[-1] == "webhook"


@pytest.fixture
def mailing(watched, monkeypatch):
    """Sends mail to two recipients by a server on the loopback interface; `script` is that server."""
    script = Taking()
    monkeypatch.setattr(channels, "other_host", lambda host, port: ["127.0.0.1"])
    monkeypatch.setattr(channels, "send", watched.real)
    with serving(script) as port:
        watched.settings.update(mail(port, ["nobody@example.com", "ops@example.com"]), syslog=False)
        yield script


def test_a_recipient_who_is_refused_costs_the_others_nothing(watched, mailing, capsys):
    watched.add(6)
    for _ in range(5):
        assert watched.run() == CRITICAL
    assert len(mailing.mails) == 1
    assert "alert of queue postfix refused for good by smtp:nobody@example.com: 550 5.1.1 No such user." in (
        capsys.readouterr().out
    )
    watched.empty()
    assert watched.run() == WARNING
    assert watched.run() == OK
    assert len(mailing.mails) == 2


def test_a_recipient_who_is_put_off_is_tried_again_alone(watched, mailing):
    mailing.refusal = "450 4.2.0 Come back"
    watched.add(6)
    watched.run()
    mailing.commands.clear()
    mailing.refusal = None
    assert watched.run() == CRITICAL
    assert watched.run() == CRITICAL
    assert [one for one in mailing.commands if one.startswith("rcpt")] == ["rcpt TO:<nobody@example.com>"]
    assert len(mailing.mails) == 2
    # Addresses are no labels.
    watched.settings["textfile_directory"] = "/srv"
    watched.run()
    assert "@" not in (watched.state / "queue_watch.prom").read_text()


def test_a_queue_that_cannot_be_read_is_an_alert(watched, capsys):
    assert watched.run() == OK
    os.rename(watched.state.parent / "queue", watched.state.parent / "gone")
    assert watched.run() == UNKNOWN
    assert watched.run() == UNKNOWN
    assert watched.events() == ["alert"]
    assert "QUEUE UNKNOWN - postfix: the queue cannot be read: " in capsys.readouterr().out
    os.rename(watched.state.parent / "gone", watched.state.parent / "queue")
    assert watched.run() == OK
    assert watched.events() == ["alert", "recovery"]


def test_growth_after_missed_periods(watched):
    watched.settings.update(threshold=1000, growth=3)
    watched.run()
    watched.add(20)
    assert watched.run(later=600) == OK
    watched.add(20)
    assert watched.run(later=60) == CRITICAL
    assert [one["name"] for one in watched.sent[0][2]["conditions"]] == ["growth"]


def test_a_clock_that_is_set_is_no_flood_and_no_silence(watched):
    watched.settings.update(threshold=1000, growth=3)
    watched.run()
    watched.add(4)
    watched.at -= 10**7
    assert watched.run(later=120) == OK
    watched.at += 10**8
    assert watched.run() == OK
    watched.add(40)
    assert watched.run() == CRITICAL


@pytest.mark.parametrize(
    "spoilt",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"version": 2, "queues": {"postfix": {"samples": 5, "alert": {}}}}',
        b'{"version": 2, "queues": {"postfix": {"samples": [[1, 2]], "last": "x"}}}',
        b'{"version": 9, "queues": {}}',
        b'{"version": 2, "queues": {"postfix": {"alert": [1]}}}',
        b'{"version": 2, "queues": {"postfix": {"told": 7}}}',
        b'{"version": 2, "queues": {"postfix": {"told": {"syslog": {"last": 7}}}}}',
        b'{"version": 2, "queues": {"postfix": {"told": {"syslog": {"try": 7}}}}}',
    ],
)
def test_a_spoilt_history_is_begun_anew(watched, spoilt):
    (watched.state / "history.json").write_bytes(spoilt)
    watched.add(6)
    assert watched.run() == CRITICAL
    assert watched.run() == CRITICAL
    assert watched.events() == ["alert"]


class Killed(BaseException):
    pass


def test_a_killed_run_leaves_a_whole_history_and_loses_no_alert(watched):
    watched.run()
    watched.add(6)
    before = {path: path.read_bytes() for path in (watched.state / "history.json", watched.runtime / "history.json")}
    tried = 0
    while True:
        for path, data in before.items():
            path.write_bytes(data)
        watched.sent.clear()
        calls = []

        def perform(function, *arguments, calls=calls, last=tried, **keywords):
            if len(calls) == last:
                raise Killed
            calls.append(function)
            return function(*arguments, **keywords)

        try:
            with mock.patch.object(disk, "_perform", perform):
                watched.run()
        except Killed:
            for path in before:
                json.loads(path.read_bytes())
            assert watched.run() == CRITICAL
            assert "alert" in watched.events()
            tried += 1
            continue
        break
    assert tried > 10


def test_a_full_disk_does_not_silence_nor_repeat(watched, capsys):
    watched.settings["textfile_directory"] = "/srv"
    watched.add(6)

    def full(function, *arguments, **keywords):
        if function is os.write and os.readlink("/proc/self/fd/%d" % arguments[0]).startswith(str(watched.state)):
            raise OSError(28, "No space left on device")
        return function(*arguments, **keywords)

    with mock.patch.object(disk, "_perform", full):
        for _ in range(3):
            assert watched.run() == CRITICAL
            assert "The history cannot be written: No space left on device." in capsys.readouterr().out
        assert watched.run("--status") == CRITICAL
    assert watched.events() == ["alert"]
    watched.empty()
    # There is room again.
    assert watched.run() == OK
    assert watched.run() == OK
    assert watched.events() == ["alert", "recovery"]


def test_after_a_boot_the_history_on_the_disk_is_what_is_known(watched):
    watched.add(6)
    watched.run()
    for path in watched.runtime.iterdir():
        path.unlink()
    assert watched.run("--status") == UNKNOWN
    assert watched.run() == CRITICAL
    assert watched.events() == ["alert"]


def test_what_is_newer_is_what_is_known(watched):
    watched.add(6)
    watched.run()
    old = (watched.runtime / "history.json").read_bytes()
    watched.empty()
    watched.run()
    # As where nothing could be written there.
    (watched.runtime / "history.json").write_bytes(old)
    assert watched.run() == OK
    assert watched.events() == ["alert", "recovery"]


def test_without_a_runtime_directory_it_runs(watched):
    watched.runtime.rmdir()
    watched.add(6)
    for _ in range(2):
        assert watched.run() == CRITICAL
    assert watched.run("--status") == CRITICAL
    assert watched.events() == ["alert"]


def test_two_runs_do_not_meet(watched, capsys):
    watched.run()
    watched.add(6)
    with Memory(str(watched.state)):
        assert watched.run() == OK
        assert "Another run is under way." in capsys.readouterr().out
        # One that does not end is no reason to be silent.
        assert watched.run(later=300) == UNKNOWN
        assert "QUEUE UNKNOWN - the queue was last looked at 6 minutes ago" in capsys.readouterr().out
    assert watched.events() == []


def test_a_first_run_that_does_not_end_is_unknown(watched):
    with Memory(str(watched.state)):
        assert watched.run() == UNKNOWN


def test_nobody_else_can_lock_the_watch_out(watched):
    # As anybody can who may read the directory.
    fd = os.open(watched.state, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    watched.add(6)
    assert watched.run() == CRITICAL
    os.close(fd)
    assert (watched.state / "lock").stat().st_mode & 0o777 == 0o600


def test_a_link_is_no_lock(watched, tmp_path):
    (watched.state / "lock").symlink_to(tmp_path / "elsewhere")
    assert watched.run() == UNKNOWN
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("name", ["oldest", "notices"])
def test_nothing_that_is_slow_or_fails_keeps_the_number_from_being_told(watched, monkeypatch, capsys, name):
    watched.settings.update(age=86400, bounce_share=50, bounce_minimum=1)
    watched.add(6)
    told = []

    def failing(*unused, **unused_too):
        told.extend(watched.events())
        raise TypeError("spoilt")

    monkeypatch.setattr(queues, name, failing)
    assert watched.run() == CRITICAL
    # The alert is out before it is asked.
    assert told == ["alert"] == watched.events()
    assert "not known: TypeError: spoilt" in capsys.readouterr().out
    watched.empty()
    watched.add(2)
    assert watched.run() == UNKNOWN


def test_an_age_is_an_alert_though_the_number_is_none(watched):
    watched.settings.update(age=3600)
    watched.queue = PostfixQueue(watched.state.parent / "queue", long_ids=True)
    watched.add(1, arrival=watched.at - 7200, retry=watched.at)
    for _ in range(2):
        assert watched.run() == CRITICAL
    assert [one["name"] for one in watched.sent[0][2]["conditions"]] == ["age"]
    watched.empty()
    assert watched.run() == OK
    assert watched.events() == ["alert", "recovery"]


def test_an_age_of_long_ago_is_no_alert(watched):
    watched.settings.update(age=3600)
    watched.queue = PostfixQueue(watched.state.parent / "queue", long_ids=True)
    watched.add(1, arrival=watched.at - 7200, retry=watched.at)
    watched.run()
    watched.empty()
    watched.settings.update(age=0)
    watched.run(later=7200)
    watched.sent.clear()
    watched.settings.update(age=3600)
    assert watched.run() == OK
    assert watched.events() == []


@pytest.mark.parametrize(
    "kept",
    ['"next": "x"', '"oldest": 7', '"next": {}', '"oldest": [0, 7]', '"next": -5', '"slow": ["old", 1]', '"slow": 7'],
)
def test_a_history_that_is_spoilt_for_the_age_is_begun_anew(watched, kept):
    watched.settings.update(age=3600, bounce_share=10, bounce_minimum=5)
    (watched.state / "history.json").write_text('{"version": 2, "queues": {"postfix": {%s}}}' % kept)
    watched.add(6)
    assert watched.run() == CRITICAL
    assert watched.run() == CRITICAL
    assert watched.events() == ["alert"]
    watched.empty()
    assert watched.run() == OK


def test_what_cannot_be_printed_is_told_once(watched, monkeypatch):
    watched.settings["webhook"] = {"url": "x"}
    watched.failing["webhook"] = "\ufffd no \u2026"
    watched.add(6)
    for _ in range(2):
        # As under Python 3.6 with the locale of cron.
        out = io.TextIOWrapper(io.BytesIO(), "ascii", "strict")
        monkeypatch.setattr(sys, "stdout", out)
        assert watched.run() == CRITICAL
    out.flush()
    assert b"\\ufffd no \\u2026" in out.buffer.getvalue()
    assert watched.events() == ["alert"]


def test_what_was_sent_is_kept_before_anything_is_printed(watched, monkeypatch):
    watched.add(6)
    gone = mock.Mock(encoding="utf-8", **{"write.side_effect": BrokenPipeError(32, "Broken pipe")})
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", gone)
        assert watched.run() == CRITICAL
    assert gone.write.called
    assert watched.run() == CRITICAL
    assert watched.events() == ["alert"]


def test_without_room_for_a_lock_it_runs(watched):
    watched.add(6)

    def full(*unused, **unused_too):
        raise OSError(28, "No space left on device")

    with mock.patch.object(disk, "_perform", full):
        assert watched.run() == CRITICAL
    assert watched.events() == ["alert"]


def test_status_needs_nothing_that_is_secret(watched, capsys):
    watched.settings["webhook"] = {"url": "https://chat.example.com/secret"}
    watched.settings["smtp"] = {"to": ["ops@example.com"]}
    watched.failing["smtp"] = "no"
    watched.add(6)
    watched.run()
    for path in [*watched.state.iterdir(), *watched.runtime.iterdir()]:
        if path.stat().st_mode & 0o077:
            text = path.read_text()
            assert "secret" not in text and "ops@" not in text, path
        else:
            path.unlink()
    watched.settings = "not for everybody"
    capsys.readouterr()
    assert watched.run("--status") == CRITICAL
    assert capsys.readouterr().out == (
        "QUEUE CRITICAL - postfix: 6 messages, threshold 5; not told by smtp | 'postfix'=6;;5;0\n"
    )


def test_a_spoilt_status_is_unknown(watched):
    for text in ("", "[]", "{}", '{"at": 7}', '{"at": [1, 2, "one"], "interval": "x", "status": 0, "line": "x"}'):
        (watched.runtime / "status.json").write_text(text)
        assert watched.run("--status") == UNKNOWN


def test_status_changes_nothing_and_grows_stale(watched, capsys):
    assert watched.run("--status") == UNKNOWN
    watched.add(6)
    watched.run()
    kept = (watched.state / "history.json").read_bytes()
    assert watched.run("--status") == CRITICAL
    assert watched.run("--status", later=3600) == UNKNOWN
    assert (watched.state / "history.json").read_bytes() == kept
    assert "the queue was last looked at 61 minutes ago" in capsys.readouterr().out


def test_a_test_alert_says_what_did_not_get_out(watched, capsys):
    watched.settings["webhook"] = {"url": "x"}
    assert watched.run("--test") == OK
    watched.failing["webhook"] = "the server answered 403"
    assert watched.run("--test") == WARNING
    assert json.loads((watched.state / "test.json").read_text())["failed"] == ["webhook: the server answered 403."]
    assert watched.events() == ["test", "test"]
    assert not (watched.state / "history.json").exists()
    os.rename(watched.state.parent / "queue", watched.state.parent / "gone")
    assert watched.run("--test") == UNKNOWN


def test_several_queues_are_judged_each_for_itself(watched):
    other = dict(watched.settings["queues"][0], name="postfix-out", directories=["/nowhere"])
    watched.settings["queues"].append(other)
    watched.add(6)
    assert watched.run() == CRITICAL
    assert sorted(made["queue"] for _name, _event, made in watched.sent) == ["postfix", "postfix-out"]
    watched.settings["queues"].pop()
    watched.run()
    assert list(json.loads((watched.state / "history.json").read_text())["queues"]) == ["postfix"]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"version": 2}'])
def test_settings_that_cannot_be_read_are_unknown(tmp_path, text, capsys):
    (tmp_path / "settings").write_text(text)
    assert run.main([], str(tmp_path / "settings"), str(tmp_path)) == UNKNOWN
    assert "QUEUE UNKNOWN - " in capsys.readouterr().out


def test_the_textfile_is_what_prometheus_reads(watched):
    watched.settings.update(textfile_directory="/srv", growth=1, age=60)
    watched.settings["queues"][0]["name"] = 'a "queue"\\'
    watched.add(6)
    watched.run()
    watched.run()
    text = (watched.state / "queue_watch.prom").read_text()
    assert 'mailops_queue_messages{mta="postfix",queue="a \\"queue\\"\\\\"} 6\n' in text
    assert 'mailops_queue_watch_channel_failed{channel="syslog"} 0\n' in text
    assert (watched.state / "queue_watch.prom").stat().st_mode & 0o777 == 0o644
    try:
        done = subprocess.run(["promtool", "check", "metrics"], input=text.encode(), capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("promtool is not installed")
    assert done.returncode == 0, done.stderr + done.stdout
