"""The scheduled compliance run, started as systemd starts it, on a queue without an MTA; and what the role writes."""

import http.server
import importlib.util
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import threading

import pytest
import yaml

from tests.support.playing import NOTHING_LISTENS, ROOT, at, player
from tests.support.qmail_home import QmailHome
from tests.support.qmail_queue import QmailQueue
from tests.support.smtp_server import Script, serving

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ansible_runner") is None, reason="ansible-runner is not installed"
)
PROGRAM = "ansible_collections.mailops.rescue.plugins.plugin_utils.schedule"
# What no queue without an MTA can hold.
WAIVED = [
    {"control": name, "reason": "r", "owner": "o", "expires": "2099-01-01"}
    for name in ("QMAIL-*", "COMMON-0*", "COMMON-110", "COMMON-130", "COMMON-140")
]


@pytest.fixture
def hook():
    """A webhook receiver; `told` is what it was sent."""

    class Handler(http.server.BaseHTTPRequestHandler):
        told = []
        status = 204

        def do_POST(self):
            self.told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(type(self).status)
            self.end_headers()

        def log_message(self, *unused):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Handler.url = "http://127.0.0.1:%d/hook" % server.server_address[1]
    yield Handler
    server.shutdown()
    server.server_close()


class Schedule:
    """Runs by settings as the role writes them."""

    def __init__(self, play, hook):
        self.play = play
        self.path = play.directory / "kept"
        self.settings = {
            "version": 1,
            "name": "control",
            "calendar": "daily",
            "random_delay": "1h",
            "project": str(play.directory),
            "inventory": str(play.directory / "hosts.yml"),
            "playbook": "mailops.rescue.comply",
            "limit": "",
            "directory": str(self.path),
            "report_directory": str(self.path / "report"),
            "report_formats": "json,html",
            "timeout": "10min",
            "keep_artifacts": 2,
            "keep_reports": 2,
            "alert_unknown": False,
            "extra_vars": {},
            "webhook_url": hook.url,
            "webhook_token_file": "",
            "webhook_ca_file": "",
            "smtp_host": "",
            "smtp_port": 25,
            "smtp_tls": "auto",
            "smtp_from": "",
            "smtp_to": [],
        }

    def run(self, *arguments):
        file = self.play.directory / "settings.json"
        file.write_text(json.dumps(self.settings))
        # Systemd knows nothing of it.
        made = self.play.run(
            ["env", "-u", "ANSIBLE_COLLECTIONS_PATH", sys.executable, "-B", "-m", PROGRAM, str(file), *arguments],
            PYTHONPATH=str(self.play.directory),
        )
        assert "Traceback" not in made.text, made.text
        return made

    def report(self):
        return json.loads((self.path / "report" / "report.json").read_text())

    def reports(self):
        return sorted(os.listdir(self.path / "reports"))


@pytest.fixture
def schedule(tmp_path, hook):
    return Schedule(player(tmp_path), hook)


@pytest.fixture
def home(tmp_path):
    home = QmailHome(tmp_path / "qmail")
    (home.path / "queue").rmdir()
    home.queue = QmailQueue(home.path / "queue", split=3)
    return home


def host(home, port):
    return at(
        home.path / "queue",
        mailops_mta="qmail",
        qmail_hardening_home=str(home.path),
        mailops_smtp_port=port,
        submission_firewall_ports=[],
        compliance_probe_timeout=5,
        compliance_queue_messages=0,
        mailops_waivers=WAIVED,
    )


def test_the_second_run_tells_what_changed(schedule, home, hook):
    with serving(Script(domain="mail.example.com")) as port:
        schedule.play.hosts({"b": {"b1": host(home, port)}})
        made = schedule.run()
        assert (made.status, hook.told) == (0, []), made.text
        first = schedule.report()
        assert (first["hosts"][0]["status"], first["changes"]) == ("pass", None)

        home.queue.add("Subject: x\n\nx\n", b"bob@example.com", remote=[b"r@example.net"])
        made = schedule.run()
        second = schedule.report()
        assert made.status == second["summary"]["exit_code"] == 2, made.text
        assert second["changes"]["since"] == first["run"]["finished"]
        assert second["changes"]["hosts"] == [{"name": "b1", "before": "pass", "after": "fail"}]
        worse = {"host": "b1", "id": "COMMON-100", "before": "pass", "after": "fail", "kind": "worse"}
        assert worse in second["changes"]["controls"]
        (told,) = hook.told
        assert (told["event"], told["host"], told["count"]) == ("alert", "control", 1)
        assert told["hosts"][0] == {
            "name": "b1",
            "before": "pass",
            "after": "fail",
            "controls": [{"id": "COMMON-100", "severity": "high"}],
        }
        assert told["text"] in made.stdout

        # Told once; the oldest dated report and the oldest output of a run are gone.
        made = schedule.run()
        assert (made.status, len(hook.told)) == (2, 1), made.text
    assert schedule.report()["changes"]["hosts"] == []
    kept = schedule.reports()
    assert len(kept) == 2
    newest = schedule.path / "reports" / kept[-1]
    assert sorted(os.listdir(newest)) == ["report.html", "report.json"]
    assert json.loads((newest / "report.json").read_text()) == schedule.report()
    assert json.loads((schedule.path / "reports" / kept[0] / "report.json").read_text()) == second
    assert len(os.listdir(schedule.path / "runner" / "artifacts")) == 2
    # Else the variables of the first run would be those of all later ones.
    assert not (schedule.path / "runner" / "env").exists()


def test_what_was_not_told_is_told_by_the_next_run(schedule, home, hook):
    schedule.settings["alert_unknown"] = True
    with serving(Script(domain="mail.example.com")) as port:
        schedule.play.hosts({"a": {"gone": NOTHING_LISTENS}, "b": {"b1": host(home, port)}})
        hook.status = 500
        made = schedule.run()
        assert made.status == 3 and "an alert did not get out" in made.text
        hook.status = 204
        made = schedule.run()
        assert made.status == 3, made.text
    assert [one["time"] for one in hook.told] == [hook.told[0]["time"]] * 2
    assert hook.told[1]["hosts"] == [{"name": "gone", "before": None, "after": "unreachable", "controls": []}]
    assert json.loads((schedule.path / "pending.json").read_text()) == []


@pytest.mark.parametrize("broken", ["inventory", "playbook", "syntax", "timeout"])
def test_no_report_is_an_alert(schedule, hook, tmp_path, broken):
    schedule.play.hosts({"a": {"gone": NOTHING_LISTENS}})
    # The report of another run is none of this one.
    (schedule.path / "report").mkdir(parents=True)
    (schedule.path / "report" / "report.json").write_text("{}")
    if broken == "syntax":
        (tmp_path / "bad.yml").write_text("- hosts: [")
        schedule.settings["playbook"] = "bad.yml"
    elif broken == "timeout":
        task = {"name": "Wait", "ansible.builtin.wait_for": {"timeout": 600}, "delegate_to": "localhost"}
        (tmp_path / "long.yml").write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": [task]}]))
        schedule.settings.update(playbook="long.yml", timeout="3s")
    else:
        schedule.settings[broken] = str(tmp_path / "nosuch")
    made = schedule.run()
    assert made.status == 3, made.text
    (told,) = hook.told
    assert (told["event"], told["hosts"]) == ("no_report", [])
    assert "they were not checked: " in told["text"]
    assert ("the run ended with timeout" in told["text"]) == (broken == "timeout")
    assert schedule.reports() == []


@pytest.mark.parametrize(
    ("inventory", "words"),
    [
        (None, "none of 1 hosts could be checked"),
        ("all: {hosts: {}}", "there was no host to check"),
        ("all: {hosts: [", "the run made no report"),
    ],
)
def test_nothing_checked_is_an_alert(schedule, hook, inventory, words):
    schedule.play.hosts({"a": {"gone": NOTHING_LISTENS}})
    if inventory is not None:
        (schedule.play.directory / "hosts.yml").write_text(inventory)
    made = schedule.run()
    assert made.status == 3, made.text
    assert [one["event"] for one in hook.told] == ["no_report"] and words in hook.told[0]["text"], hook.told
    assert schedule.reports() == []


def test_a_source_that_cannot_be_read_is_an_alert(schedule, hook, home):
    with serving(Script(domain="mail.example.com")) as port:
        schedule.play.hosts({"b": {"b1": host(home, port)}})
        sources = schedule.play.directory / "sources"
        sources.mkdir()
        (schedule.play.directory / "hosts.yml").rename(sources / "hosts.yml")
        schedule.settings["inventory"] = str(sources)
        made = schedule.run()
        assert made.status == 0, made.text
        (sources / "more.yml").write_text("all: {hosts: [")
        made = schedule.run()
    assert made.status == 3 and [one["event"] for one in hook.told] == ["no_report"], made.text
    assert len(schedule.reports()) == 1


INVENTORY_PLUGIN = """
from ansible.plugins.inventory import BaseInventoryPlugin

DOCUMENTATION = "{name: given, short_description: x, options: {plugin: {description: x}}}"


class InventoryModule(BaseInventoryPlugin):
    NAME = "own.inventory.given"

    def verify_file(self, path):
        return True

    def parse(self, inventory, loader, path, cache=True):
        super().parse(inventory, loader, path, cache)
        inventory.add_host("gone")
        for name, value in %r.items():
            inventory.set_variable("gone", name, value)
"""


def test_the_projects_collections_are_found(schedule, hook, tmp_path):
    plugins = tmp_path / "installed" / "ansible_collections" / "own" / "inventory" / "plugins" / "inventory"
    plugins.mkdir(parents=True)
    (plugins / "given.py").write_text(INVENTORY_PLUGIN % NOTHING_LISTENS)
    (tmp_path / "ansible.cfg").write_text("[defaults]\ncollections_path = installed\n")
    (tmp_path / "hosts.yml").write_text("plugin: own.inventory.given\n")
    assert schedule.run().status == 3
    (told,) = hook.told
    assert "none of 1 hosts could be checked" in told["text"]


def test_a_configuration_that_cannot_be_read_is_an_alert(schedule, hook, tmp_path):
    schedule.play.hosts({"a": {"gone": NOTHING_LISTENS}})
    (tmp_path / "ansible.cfg").write_text("collections_path = installed\n")
    assert schedule.run().status == 3
    (told,) = hook.told
    assert "Ansible's configuration cannot be read: " in told["text"] and "ansible.cfg" in told["text"]


ASKING = "[defaults]\nask_pass = true\nask_vault_pass = true\n[privilege_escalation]\nbecome_ask_pass = true\n"
ASKING_SCRIPT = """#!/bin/sh
%s
echo '{"a": {"hosts": ["gone"]}, "_meta": {"hostvars": {"gone": {"ansible_host": "127.0.0.1", "ansible_port": 1}}}}'
"""


@pytest.mark.parametrize(
    ("configuration", "script"),
    [
        (ASKING, ":"),
        # As ssh does for a passphrase, or a host's key.
        ("", "(printf 'Password: ' && read answer) <>/dev/tty >&0"),
        ("", "read answer"),
    ],
)
def test_nobody_is_asked(schedule, hook, tmp_path, configuration, script):
    (tmp_path / "ansible.cfg").write_text(configuration)
    (tmp_path / "hosts").write_text(ASKING_SCRIPT % script)
    (tmp_path / "hosts").chmod(0o755)
    schedule.settings.update(inventory=str(tmp_path / "hosts"), timeout="20s")
    assert schedule.run().status == 3
    (told,) = hook.told
    assert "none of 1 hosts could be checked" in told["text"]


@pytest.mark.parametrize("checked", ["true", "false"])
def test_the_project_says_whether_keys_of_hosts_are_checked(schedule, tmp_path, checked):
    schedule.play.hosts({"a": {"gone": NOTHING_LISTENS}})
    program = tmp_path / "ssh"
    program.write_text('#!/bin/sh\necho "$@" >>"$0.said"\nexit 255\n')
    program.chmod(0o755)
    (tmp_path / "ansible.cfg").write_text(
        "[defaults]\nhost_key_checking = %s\n[ssh_connection]\nssh_executable = %s\n" % (checked, program)
    )
    assert schedule.run().status == 3
    said = (tmp_path / "ssh.said").read_text()
    assert "ControlPersist" in said and ("StrictHostKeyChecking=no" in said) == (checked == "false")


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("inventory", "/nosuch", "inventory: expected"),
        ("keep_reports", 0, "keep_reports: expected 1 to"),
        ("webhook_url", "ftp://x", "webhook_url: expected"),
        ("smtp_host", "127.0.0.1", "smtp_to: expected"),
        ("extra_vars", {"report_directory": "x"}, "extra_vars: report_directory"),
        ("timeout", "soon", "timeout: "),
        ("calendar", "every night", "calendar: expected a time as systemd's OnCalendar= has it, got 'every night'."),
        ("calendar", "", "calendar: "),
        ("random_delay", "a while", "random_delay: expected a span of time as systemd has it, got 'a while'."),
    ],
)
def test_settings_are_checked(schedule, option, value, words):
    if option in ("calendar", "random_delay") and shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    schedule.play.hosts({"a": {"gone": NOTHING_LISTENS}})
    assert schedule.run("--check").status == 0
    schedule.settings[option] = value
    made = schedule.run("--check")
    assert made.status == 3 and made.text.startswith(words), made.text
    assert not schedule.path.exists()


def play_role(play, tasks, *arguments):
    include = {"name": "mailops.rescue.compliance_schedule", "tasks_from": tasks}
    tasks = [{"name": "Some of the role", "ansible.builtin.include_role": include}]
    (play.directory / "role.yml").write_text(
        yaml.safe_dump([{"name": "Role", "hosts": "all", "gather_facts": False, "tasks": tasks}])
    )
    return play("role.yml", {"c": {"control": {}}}, "-e", "@role.json", *arguments)


@pytest.fixture
def role(schedule, tmp_path):
    import pwd

    (tmp_path / "units").mkdir()
    given = {
        "compliance_schedule_user": pwd.getpwuid(os.getuid()).pw_name,
        "compliance_schedule_project": str(tmp_path),
        "compliance_schedule_inventory": str(tmp_path / "hosts.yml"),
        "compliance_schedule_directory": str(tmp_path / "kept"),
        "compliance_schedule_webhook_url": "https://alerts.example.com/hook",
        "__compliance_schedule_unit_directory": str(tmp_path / "units"),
        "__compliance_schedule_settings": str(tmp_path / "mailops-compliance.json"),
        "__compliance_schedule_timer": {"stat": {"exists": False}},
    }

    def run(tasks, *arguments, **changes):
        (tmp_path / "role.json").write_text(json.dumps(dict(given, **changes)))
        return play_role(schedule.play, tasks, *arguments)

    return run


def test_what_the_role_writes_and_removes(role, schedule, hook, tmp_path):
    made = role("files", "--diff")
    assert made.status == 0, made.text
    # Who has the whole of it can call it.
    assert "OnCalendar" in made.stdout and "alerts.example.com" not in made.text
    assert "changed=0" in role("files").stdout
    settings = tmp_path / "mailops-compliance.json"
    assert stat.S_IMODE(settings.stat().st_mode) == 0o640
    assert set(json.loads(settings.read_text())) == set(schedule.settings)
    units = [str(tmp_path / "units" / name) for name in ("mailops-compliance.service", "mailops-compliance.timer")]
    if shutil.which("systemd-analyze"):
        said = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
        assert (said.returncode, said.stderr) == (0, "")

    # A run with these very settings, whose traces go and whose report stays.
    written = json.loads(settings.read_text())
    schedule.settings.update(written, webhook_url=hook.url, playbook="nosuch.yml")
    assert schedule.run().status == 3
    (tmp_path / "kept" / "reports" / "20260101T000000Z").mkdir()
    made = role("remove")
    assert made.status == 0, made.text
    assert os.listdir(tmp_path / "units") == [] and not settings.exists()
    assert sorted(os.listdir(tmp_path / "kept")) == ["report", "reports"]
    assert schedule.reports() == ["20260101T000000Z"]


def test_root_gives_nobody_what_a_link_leads_to(role, tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "theirs").mkdir(mode=0o700)
    # Who may write in there could have made it.
    (tmp_path / "kept" / "report").symlink_to(tmp_path / "theirs")
    made = role("files")
    assert made.status == 0, made.text
    (tmp_path / "link").symlink_to(tmp_path / "theirs")
    for option in ("report_directory", "directory"):
        made = role("files", **{"compliance_schedule_" + option: str(tmp_path / "link")})
        assert made.status == 2 and "already exists as a link" in made.text, made.text
    assert stat.S_IMODE((tmp_path / "theirs").stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("place", "writable"),
    [
        ("kept/report", []),
        ("other", ["other"]),
        ("kept/../other", ["other"]),
    ],
)
def test_where_a_run_may_write(role, tmp_path, place, writable):
    made = role("files", compliance_schedule_report_directory=str(tmp_path / place))
    assert made.status == 0, made.text
    unit = (tmp_path / "units" / "mailops-compliance.service").read_text()
    (line,) = [one for one in unit.splitlines() if one.startswith("ReadWritePaths=")]
    found = [os.path.normpath(one) for one in re.findall('"(.*?)"', line)]
    assert found == [str(tmp_path / one) for one in ["kept", *writable]]
    assert (tmp_path / "other").exists() == bool(writable)


@pytest.mark.parametrize("state", ["present", "absent"])
def test_check_mode_of_the_whole_role(role, tmp_path, state):
    before = {path for path in tmp_path.rglob("*") if path.name not in ("role.yml", "role.json", "hosts.yml")}
    made = role("main", "--check", compliance_schedule_state=state)
    assert made.status == 0, made.text
    assert "changed=%d" % (3 if state == "present" else 0) in made.stdout, made.text
    after = {path for path in tmp_path.rglob("*") if path.name not in ("role.yml", "role.json", "hosts.yml")}
    assert after - before == set()


def test_needed_variables_are_named(role):
    made = role("files", compliance_schedule_user="")
    assert made.status == 2 and "compliance_schedule_user: expected a value" in made.text


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize(("option", "value"), [("calendar", "every night"), ("random_delay", "a while")])
def test_a_timer_that_systemd_would_refuse_is_not_written(role, tmp_path, option, value):
    assert role("files", compliance_schedule_random_delay=0).status == 0
    before = [(tmp_path / name).read_text() for name in ("mailops-compliance.json", "units/mailops-compliance.timer")]
    made = role("files", **{"compliance_schedule_" + option: value})
    assert made.status == 2 and option + ": expected" in made.text, made.text
    after = [(tmp_path / name).read_text() for name in ("mailops-compliance.json", "units/mailops-compliance.timer")]
    assert after == before


def test_wrong_settings_are_not_written(role, tmp_path):
    made = role("files", compliance_schedule_webhook_url="http://user:x@alerts.example.com")
    assert made.status == 2 and "webhook_url: expected no user or password" in made.text
    assert os.listdir(tmp_path / "units") == [] and not (tmp_path / "mailops-compliance.json").exists()


def test_every_variable_is_specified_and_documented():
    defaults = set(yaml.safe_load((ROOT / "roles/compliance_schedule/defaults/main.yml").read_text()))
    specified = yaml.safe_load((ROOT / "roles/compliance_schedule/meta/argument_specs.yml").read_text())
    assert defaults == set(specified["argument_specs"]["main"]["options"])
    documented = (ROOT / "docs/comply.md").read_text(encoding="utf-8")
    told = re.findall(r"`(?:compliance_schedule|…)_(\w+)`", documented)
    assert defaults <= {"compliance_schedule_" + name for name in told}
