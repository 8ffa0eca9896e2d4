"""Putting the watch on a host and taking it away, below a directory that passes for the host's root."""

import json
import os
import subprocess
import sys

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.engines import queue_watch
from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.watch import program, units
from tests.support.faults import kill_points
from tests.support.postfix_queue import PostfixQueue
from tests.unit.plugins.module_utils.watch.test_settings import GOOD


class Host(queue_watch._Host):
    programs = {"cron": "/usr/sbin/cron", "setpriv": "/usr/bin/setpriv", "timeout": "/usr/bin/timeout"}

    def which(self, name):
        return self.programs.get(name)

    def outdated(self):
        return False


@pytest.fixture
def host(tmp_path):
    for name in ("etc/systemd/system", "etc/cron.d", "run/systemd/system", "usr/local/lib", "var/lib", "metrics"):
        (tmp_path / "root" / name).mkdir(parents=True)
    PostfixQueue(tmp_path / "queue")
    return Host(str(tmp_path / "root"))


def manage(host, checking=False, **options):
    queue = os.path.join(os.path.dirname(host.path("/").rstrip("/")), "queue")
    given = dict(GOOD, state="present", mta="auto", queue_directory=queue, config_directory=None, scheduler="auto")
    return queue_watch.manage(dict(given, **options), checking, host)


def tree(host):
    found = {}
    for folder, directories, names in os.walk(host.path("/")):
        for name in directories + names:
            path = os.path.join(folder, name)
            found[path] = host.read(os.path.relpath(path, host.path("/"))) if name in names else None
    return found


def test_present_absent_and_nothing_is_left(host):
    before = tree(host)
    assert manage(host, checking=True)["changed"]
    assert tree(host) == before
    result = manage(host)
    assert result["changed"] and result["scheduler"] == "systemd" and result["reload"]
    assert not manage(host)["changed"]
    os.mkdir(host.path("/var/lib/mailops-queue-watch"))
    for name in ("history.json", "queue_watch.prom", "status.json", "test.json", ".history.json.new", "lock"):
        with open(host.path("/var/lib/mailops-queue-watch/" + name), "w"):
            pass
    os.mkdir(host.path("/run/mailops-queue-watch"))
    for name in ("history.json", ".history.json.new", "status.json"):
        with open(host.path("/run/mailops-queue-watch/" + name), "w"):
            pass
    assert manage(host, checking=True, state="absent")["changed"]
    assert manage(host, state="absent")["changed"]
    assert tree(host) == before
    assert not manage(host, state="absent")["changed"]


def test_somebody_elses_file_stays_and_is_no_change(host):
    manage(host)
    os.mkdir(host.path("/var/lib/mailops-queue-watch"))
    for name in ("history.json", "theirs"):
        with open(host.path("/var/lib/mailops-queue-watch/" + name), "w"):
            pass
    assert manage(host, state="absent")["changed"]
    assert not manage(host, state="absent")["changed"]
    assert os.listdir(host.path("/var/lib/mailops-queue-watch")) == ["theirs"]


def test_modes_and_what_the_diff_shows(host):
    result = manage(host)
    assert os.stat(host.path(queue_watch.PROGRAM)).st_mode & 0o777 == 0o755
    assert os.stat(host.path(queue_watch.SETTINGS)).st_mode & 0o777 == 0o600
    headers = [one["after_header"] for one in result["diff"]]
    assert headers == sorted(
        [queue_watch.PROGRAM, queue_watch.SETTINGS, units.SERVICE, units.TEST_SERVICE, units.TIMER]
    )
    (changed,) = manage(host, threshold=500)["diff"]
    assert '"threshold": 300' in changed["before"] and '"threshold": 500' in changed["after"]


def test_the_url_of_a_webhook_is_a_secret(host):
    shown = json.dumps(
        [
            manage(host, webhook_url="https://chat.example.com:8443/services/T0/secret?key=secret"),
            manage(host, webhook_url="https://chat.example.com/other/secret"),
            manage(host),
            manage(host, webhook_url="http://chat.example.com/secret"),
            manage(host, state="absent"),
        ],
        default=str,
    )
    assert "https://chat.example.com:8443/..." in shown
    assert "secret" not in shown


def test_settings_that_anybody_can_read_are_closed(host):
    manage(host)
    os.chmod(host.path(queue_watch.SETTINGS), 0o644)
    result = manage(host, checking=True)
    assert result["changed"]
    assert [(one["before"], one["after"]) for one in result["diff"]] == [("mode 0644\n", "mode 0600\n")]
    manage(host)
    assert os.stat(host.path(queue_watch.SETTINGS)).st_mode & 0o777 == 0o600
    assert not manage(host)["changed"]


def test_only_what_differs_is_written(host):
    manage(host)
    before = os.stat(host.path(queue_watch.PROGRAM)).st_ino
    result = manage(host, threshold=500)
    assert result["changed"] and not result["reload"]
    assert os.stat(host.path(queue_watch.PROGRAM)).st_ino == before


def test_bad_options_change_nothing(host):
    before = tree(host)
    for options in ({"interval": "x"}, {"queue_directory": "/nowhere"}, {"scheduler": "cron", "interval": "90s"}):
        with pytest.raises(RescueError):
            manage(host, **options)
    assert tree(host) == before


def test_the_link_to_the_textfile_moves_and_goes(host, tmp_path):
    first, second = tmp_path / "root/metrics", tmp_path / "second"
    second.mkdir()
    target = b"-> /var/lib/mailops-queue-watch/queue_watch.prom"

    class Rooted(Host):
        # These directories are the test's own.
        def path(self, path):
            return path if path.startswith(str(tmp_path)) else super().path(path)

    rooted = Rooted(str(tmp_path / "root"))
    link = "mailops_queue_watch.prom"
    assert manage(rooted, textfile_directory=str(first))["channels"] == ["syslog", "textfile"]
    assert rooted.read(str(first / link)) == target
    assert not manage(rooted, textfile_directory=str(first))["changed"]
    manage(rooted, textfile_directory=str(second))
    assert rooted.read(str(first / link)) is None
    assert rooted.read(str(second / link)) == target
    manage(rooted, state="absent")
    assert list(second.iterdir()) == []
    (second / link).write_text("somebody's")
    with pytest.raises(RescueError, match="textfile_directory: there is a file"):
        manage(rooted, textfile_directory=str(second))


def test_cron(host):
    manage(host)
    # As systemctl enable does.
    os.mkdir(host.path(os.path.dirname(units.ENABLED)))
    os.symlink(units.TIMER, host.path(units.ENABLED))
    assert not manage(host)["changed"]
    result = manage(host, scheduler="cron", interval="5min")
    assert host.read(units.ENABLED) is None
    text = host.read(units.CRON).decode()
    assert "*/5 * * * * root " in text
    assert "+dac_read_search" in text and "| logger" in text
    assert host.read(units.TIMER) is None
    assert result["test_command"][-1] == "--test"
    manage(host)
    assert host.read(units.CRON) is None and host.read(units.TIMER) is not None


@pytest.mark.parametrize(("interval", "when"), [("1min", "*/1 * * * *"), ("15min", "*/15"), ("1h", "0 * * * *")])
def test_intervals_of_cron(host, interval, when):
    manage(host, scheduler="cron", interval=interval)
    assert "\n%s" % when in host.read(units.CRON).decode()


@pytest.mark.parametrize("interval", ["30s", "90s", "7min"])
def test_intervals_that_cron_does_not_know(host, interval):
    with pytest.raises(RescueError, match="interval: cron knows whole minutes"):
        manage(host, scheduler="cron", interval=interval)


def test_neither_systemd_nor_cron(host):
    os.rmdir(host.path("/run/systemd/system"))
    os.rmdir(host.path("/etc/cron.d"))
    with pytest.raises(RescueError, match="scheduler: neither systemd"):
        manage(host)


def test_a_directory_for_cron_is_no_cron(host, tmp_path):
    host.programs = dict(host.programs, cron=None)
    with pytest.raises(RescueError, match="scheduler: no cron is installed here"):
        manage(host, scheduler="cron")
    host.programs["crond"] = "/usr/sbin/crond"
    assert manage(host, scheduler="cron")["changed"]
    # That of busybox reads no /etc/cron.d.
    (tmp_path / "crond").symlink_to("/bin/busybox")
    host.programs["crond"] = str(tmp_path / "crond")
    with pytest.raises(RescueError, match="scheduler: no cron is installed here"):
        manage(host, scheduler="cron")


@pytest.mark.parametrize("name", ["setpriv", "timeout"])
def test_what_the_line_for_cron_needs(host, name):
    host.programs = dict(host.programs, **{name: None})
    with pytest.raises(RescueError, match="scheduler: cron needs %s" % name):
        manage(host, scheduler="cron")


def test_a_run_by_cron_ends_at_last(host):
    manage(host, scheduler="cron")
    text = host.read(units.CRON).decode()
    assert "; /usr/bin/timeout -s KILL 300 /usr/bin/setpriv " in text
    # What systemd does by itself.
    assert " root (install -d -m 0755 -o mailops-queue-watch -g mailops-queue-watch /run/mailops-queue-watch;" in text


def test_the_service_has_one_right_and_sees_the_queue(host):
    manage(host)
    text = host.read(units.SERVICE).decode()
    for line in (
        "User=mailops-queue-watch",
        "RuntimeDirectory=mailops-queue-watch",
        "RuntimeDirectoryPreserve=yes",
        "CapabilityBoundingSet=CAP_DAC_READ_SEARCH",
        "AmbientCapabilities=CAP_DAC_READ_SEARCH",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
    ):
        assert line in text.splitlines()
    # The queue of this test is in /tmp, which a service with PrivateTmp does not see.
    assert "PrivateTmp=no" in text.splitlines()


def test_a_run_that_is_killed_is_finished_by_the_next(host, tmp_path):
    before = tree(host)

    def prepare():
        manage(host, state="absent")
        assert tree(host) == before
        return host

    def verify(_host, point):
        manage(host)
        assert not manage(host)["changed"], point
        names = [name for _folder, _directories, names in os.walk(host.path("/")) for name in names]
        assert not [name for name in names if name.endswith(".new")], point

    assert kill_points(prepare, manage, verify, step=4) > 5


def test_the_program_runs_by_itself(tmp_path):
    data, version = program.build(sys.executable)
    assert program.build(sys.executable) == (data, version)
    path = tmp_path / "program"
    path.write_bytes(data)
    path.chmod(0o755)
    done = subprocess.run([str(path), "--status"], capture_output=True, cwd="/", check=False, env={})
    assert done.returncode == 3
    assert done.stdout == b"QUEUE UNKNOWN - the queue was not looked at yet\n", done
    done = subprocess.run([str(path)], capture_output=True, cwd="/", check=False, env={})
    assert done.returncode == 3
    assert done.stdout.startswith(b"QUEUE UNKNOWN - /etc/mailops-queue-watch.json cannot be read"), done
    done = subprocess.run([str(path), "--nonsense"], capture_output=True, cwd="/", check=False, env={})
    assert done.returncode == 3 and b"usage" in done.stdout
