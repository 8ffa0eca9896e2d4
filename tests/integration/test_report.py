"""Controls and the report, in runs of ansible-playbook and ansible-runner."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jsonschema
import pytest
import yaml

from tests.support.playing import NOTHING_LISTENS, PLAYER, at
from tests.support.qmail_queue import QmailQueue
from tests.support.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "docs/report.schema.json").read_text())
FILES = ["junit.xml", "mailops_rescue.prom", "nagios.txt", "report.html", "report.json", "report.md"]

PLAY = """\
- name: A night
  hosts: all
  gather_facts: false
  tasks:
    - name: Read the queue
      mailops.rescue.queue_info:
        queue_directory: "{{ mailops_queue_directory | default(omit) }}"
        content: message
      register: queue
      ignore_errors: true

    - name: The queue is short
      mailops.rescue.control:
        id: queue-count
        title: The queue of {{ inventory_hostname }} is short
        severity: high
        unknown: queue is failed
        unknown_reason: The queue could not be read.
        that: queue.counts.total < most
        expected: fewer than {{ most }}
        observed: "{{ queue.counts.total | default('?') }}"
        remedy: ansible-playbook mailops.rescue.inspect -l {{ inventory_hostname }}

    - name: Controls in files
      mailops.rescue.control:
        directory: controls
"""
CONTROLS = """\
- id: broken
  severity: low
  that: nosuch.thing == 1
- id: subjects
  that: queue.messages | map(attribute='subject') | list == []
  unknown: queue is failed
  observed: "{{ queue.messages | map(attribute='subject') | list }}"
- id: waived
  that: false
"""
PURGE = """\
- name: A purge
  hosts: all
  gather_facts: false
  tasks:
    - name: Purge
      mailops.rescue.queue_purge: {queue_directory: "{{ mailops_queue_directory }}", all: true}
"""
# The parent of the worker, which is the parent of the shell.
WAIT = """\
    - name: Tell who this is
      ansible.builtin.copy:
        content: "{{ lookup('ansible.builtin.pipe', 'sed -n s/^PPid:.//p /proc/$PPID/status') }}"
        dest: "{{ marker }}"
        mode: "0600"
    - name: Wait
      ansible.builtin.command: sleep 60
"""
WAIVERS = [{"control": "waived", "reason": "r", "owner": "o", "expires": "2099-01-01"}]


@pytest.fixture
def queue(tmp_path):
    queue = QmailQueue(tmp_path / "queue", split=3)
    queue.add("Subject: <script>alert(1)</script>\n\nsecret body\n", b"bob@example.com", remote=[b"r@example.net"])
    return queue


@pytest.fixture
def night(play, queue):
    (play.directory / "night.yml").write_text(PLAY)
    (play.directory / "controls").mkdir()
    (play.directory / "controls" / "all.yml").write_text(CONTROLS)
    # In the order of waves.
    mail = {
        "gone": dict(NOTHING_LISTENS, most=1),
        "good": at(queue.path, most=300),
        "full": at(queue.path, most=1),
        "none": at("/nosuch", most=1),
    }
    hosts = {"mail": mail}

    def run(*arguments, name="night.yml", limit="all", **environment):
        (play.directory / "waivers.json").write_text(json.dumps({"mailops_waivers": WAIVERS}))
        done = play(
            name,
            hosts,
            "-l",
            limit,
            "-e",
            "@waivers.json",
            *arguments,
            ANSIBLE_CALLBACKS_ENABLED="mailops.rescue.report",
            **environment,
        )
        assert "[DEPRECATION" not in done.text and "Traceback" not in done.text, done.text
        return done

    run.directory, run.hosts, run.play = play.directory, hosts, play
    return run


def document(directory):
    found = json.loads((directory / "report.json").read_text())
    jsonschema.Draft202012Validator(SCHEMA).validate(found)
    return found


def statuses(found):
    return {host["name"]: {one["id"]: one["status"] for one in host["controls"]} for host in found["hosts"]}


def test_a_night_and_the_next(night, tmp_path):
    done = night("-e", "report_formats=all", "-e", "report_title=Night")
    assert "WARNING" not in done.text and "Report: " in done.text and "Report: " not in done.stdout
    report = tmp_path / "mailops-report"
    assert sorted(os.listdir(report)) == FILES
    found = document(report)
    rest = {"broken": "error", "waived": "waived"}
    assert statuses(found) == {
        "full": {"queue-count": "fail", "subjects": "fail", **rest},
        "gone": dict.fromkeys(("queue-count", "subjects", "broken", "waived"), "error"),
        "good": {"queue-count": "pass", "subjects": "fail", **rest},
        "none": {"queue-count": "error", "subjects": "error", **rest},
    }
    assert {host["name"]: host["status"] for host in found["hosts"]} == {
        "full": "fail",
        "gone": "unreachable",
        "good": "fail",
        "none": "unknown",
    }
    assert (found["title"], found["run"]["playbook"], found["changes"]) == ("Night", "night.yml", None)
    assert found["fleet"]["messages"] == 2 and found["summary"]["exit_code"] == 2
    everything = "".join(path.read_text() for path in report.iterdir())
    assert "secret body" not in everything
    assert "<script>alert" not in (report / "report.html").read_text()

    night.hosts["mail"]["good"]["most"] = 0
    night("-e", "report_mask_addresses=true")
    found = document(report)
    assert {"host": "good", "id": "queue-count", "before": "pass", "after": "fail", "kind": "worse"} in found[
        "changes"
    ]["controls"]
    assert "bob@" not in json.dumps(found)
    assert "report.previous.json" in os.listdir(report)


def test_a_fleet_that_cannot_be_reached_is_reported(night, tmp_path):
    night("-e", "report_formats=nagios", limit="gone", MAILOPS_REPORT_DIRECTORY="r")
    found = document(tmp_path / "r")
    assert (found["summary"]["hosts"]["unreachable"], found["summary"]["exit_code"]) == (1, 3)
    assert (tmp_path / "r" / "nagios.txt").read_text().startswith("MAILOPS UNKNOWN - 1 host: 1 unreachable | ")


def test_hosts_of_later_waves_that_never_came_are_unknown(night, tmp_path):
    play = PLAY.replace("  gather_facts: false\n", "  gather_facts: false\n  serial: 1\n")
    (tmp_path / "night.yml").write_text(play)
    night(limit="gone,good")
    found = document(tmp_path / "mailops-report")
    assert {host["name"]: host["status"] for host in found["hosts"]} == {"gone": "unreachable", "good": "unknown"}


@pytest.mark.parametrize(("ignored", "status"), [(True, "pass"), (False, "unknown")])
def test_a_vantage_point_that_is_gone_makes_no_host_unreachable(night, tmp_path, ignored, status):
    tasks = [
        {"name": "Pass", "mailops.rescue.control": {"id": "c", "that": True}},
        {"name": "Probe", "ansible.builtin.ping": {}, "delegate_to": "{{ 'gone' }}", "ignore_unreachable": ignored},
    ]
    play = {"name": "A night", "hosts": "all", "gather_facts": False, "tasks": tasks}
    (tmp_path / "night.yml").write_text(yaml.safe_dump([play]))
    night(limit="good")
    host = document(tmp_path / "mailops-report")["hosts"][0]
    assert (host["name"], host["status"]) == ("good", status)
    assert host["errors"][0]["reason"].startswith(("through another host: ", "through gone: "))


def test_runs_of_others_leave_the_report_alone(night, tmp_path):
    night(limit="good")
    before = (tmp_path / "mailops-report" / "report.json").read_bytes()
    tasks = [{"name": "x", "ansible.builtin.debug": {}}]
    other = [{"name": "Other", "hosts": "all", "gather_facts": False, "tasks": tasks}]
    (tmp_path / "other.yml").write_text(yaml.safe_dump(other))
    done = night(name="other.yml", limit="good")
    assert "Report: " not in done.text
    assert (tmp_path / "mailops-report" / "report.json").read_bytes() == before


def test_what_goes_wrong_is_one_warning_and_nothing_else(night, tmp_path):
    (tmp_path / "file").write_text("x")
    done = night("-e", "report_directory=file/below", limit="good")
    assert done.status == 0
    assert done.text.count("[WARNING]") == 1 and "mailops.rescue.report: there is no report of this run" in done.text


def test_a_purge_in_check_mode_and_then_for_real(night, tmp_path):
    (tmp_path / "purge.yml").write_text(PURGE)
    night("--check", name="purge.yml", limit="good")
    found = document(tmp_path / "mailops-report")
    one = found["hosts"][0]["purges"][0]
    assert found["run"]["check_mode"] is True
    assert (one["checked"], one["messages"], one["restore_command"]) == (True, 1, None)
    night(name="purge.yml", limit="good")
    one = document(tmp_path / "mailops-report")["hosts"][0]["purges"][0]
    assert (one["checked"], one["before"]["total"], one["after"]["total"]) == (False, 1, 0)
    assert one["restore_command"].startswith("ansible-playbook mailops.rescue.restore -i hosts.yml -l good -e ")
    assert one["batch"] in one["restore_command"]


def test_what_a_run_did_until_it_was_interrupted_is_reported(night, tmp_path):
    marker = tmp_path / "process"
    (tmp_path / "before.yml").write_text("- name: Before\n  hosts: all\n  gather_facts: false\n")
    (tmp_path / "purge.yml").write_text(PURGE + WAIT)

    night.play.hosts(night.hosts)

    def interrupt():
        wait_for(lambda: marker.exists() and marker.read_text().strip())
        os.kill(int(marker.read_text()), signal.SIGINT)

    with ThreadPoolExecutor(1) as pool:
        interrupted = pool.submit(interrupt)
        done = night.play.run(
            [str(PLAYER), "before.yml", "purge.yml", "-i", "hosts.yml", "-l", "good", "-e", "marker=%s" % marker],
            ANSIBLE_CALLBACKS_ENABLED="mailops.rescue.report",
        )
        interrupted.result()
    # That of the playbook before, which was nothing to report.
    assert done.status != 0 and done.text.count("PLAY RECAP") == 1
    assert done.text.count("Report: ") == 1
    found = document(tmp_path / "mailops-report")
    good = {host["name"]: host for host in found["hosts"]}["good"]
    assert good["status"] == "unknown" and good["reason"] == "the run was cut off"
    assert good["purges"][0]["messages"] == 1 and good["purges"][0]["batch"] in good["purges"][0]["restore_command"]
    assert found["notes"] == ["The run was cut off; what it had done until then is in here."]
    assert found["summary"]["exit_code"] == 3


@pytest.mark.skipif(importlib.util.find_spec("ansible_runner") is None, reason="ansible-runner is not installed")
def test_under_ansible_runner(night, tmp_path, monkeypatch):
    import ansible_runner

    night.play.hosts(night.hosts)
    project = tmp_path / "private" / "project"
    project.mkdir(parents=True)
    for name in ("night.yml", "controls"):
        shutil.move(str(tmp_path / name), str(project / name))
    monkeypatch.setenv("PATH", "%s:%s" % (PLAYER.parent, os.environ["PATH"]))
    run = ansible_runner.run(
        private_data_dir=str(tmp_path / "private"),
        playbook="night.yml",
        inventory=str(tmp_path / "hosts.yml"),
        quiet=True,
        limit="good,gone",
        extravars={"mailops_waivers": WAIVERS, "report_directory": str(tmp_path / "report")},
        envvars={"ANSIBLE_COLLECTIONS_PATH": str(tmp_path), "ANSIBLE_CALLBACKS_ENABLED": "mailops.rescue.report"},
    )
    assert run.status == "failed"
    found = document(tmp_path / "report")
    assert {host["name"]: host["status"] for host in found["hosts"]} == {"gone": "unreachable", "good": "fail"}
    assert statuses(found)["good"]["waived"] == "waived"
