"""The playbook comply, run as an operator runs it, on a queue without an MTA and on hosts that cannot be reached."""

import json
import os
import re

import pytest

from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.judge import COMMON, OF_MTA
from tests.support.playing import NOTHING_LISTENS, ROOT, at, player
from tests.support.qmail_home import QmailHome
from tests.support.qmail_queue import QmailQueue
from tests.support.smtp_server import Script, serving

CALLBACK = {"ANSIBLE_CALLBACKS_ENABLED": "mailops.rescue.report"}


@pytest.fixture
def play(tmp_path):
    return player(tmp_path)


@pytest.fixture
def home(tmp_path):
    home = QmailHome(tmp_path / "qmail")
    (home.path / "queue").rmdir()
    QmailQueue(home.path / "queue", split=3).add("Subject: x\n\nx\n", b"bob@example.com", remote=[b"r@example.net"])
    return home


def host(home, port, **variables):
    return at(
        home.path / "queue",
        mailops_mta="qmail",
        qmail_hardening_home=str(home.path),
        mailops_smtp_port=port,
        submission_firewall_ports=[],
        compliance_probe_timeout=5,
        **variables,
    )


def report(made):
    document = json.loads((made.directory / "mailops-report" / "report.json").read_text())
    return {one["name"]: one for one in document["hosts"]}


def statuses(found):
    return {one["id"]: one["status"] for one in found["controls"]}


def test_what_fails_and_what_is_unreachable(play, home):
    with serving(Script()) as port:
        hosts = {"a": {"a-gone": NOTHING_LISTENS}, "b": {"b1": host(home, port)}}
        made = play("mailops.rescue.comply", hosts, "-e", "waves=1", **CALLBACK)
    assert made.status == 2, made.text
    found = report(made)
    assert found["a-gone"]["status"] == "unreachable"
    assert found["b1"]["status"] == "fail" and found["b1"]["errors"] == []
    seen = statuses(found["b1"])
    assert seen["QMAIL-100"] == seen["QMAIL-090"] == "fail"
    assert seen["COMMON-100"] == seen["COMMON-110"] == "pass"
    assert not any(name.startswith("POSTFIX") for name in seen)
    assert "NOT CHECKED\n  a-gone: unreachable: " in made.text
    assert "2 of 2 hosts not as required" in made.text
    assert "changed=0" in made.text and "changed=1" not in made.text


def test_what_could_not_be_asked_is_unknown(play, home):
    made = play("mailops.rescue.comply", {"b": {"b1": host(home, 1)}}, "-e", "fail_on=never", **CALLBACK)
    assert made.status == 0, made.text
    seen = statuses(report(made)["b1"])
    assert seen["COMMON-020"] == seen["COMMON-030"] == seen["QMAIL-010"] == "error"
    assert seen["COMMON-100"] == "pass"


def test_without_an_mta_nothing_passes(play, tmp_path):
    made = play("mailops.rescue.comply", {"b": {"b1": at(tmp_path, mailops_smtp_port=1)}}, **CALLBACK)
    assert made.status == 2
    seen = statuses(report(made)["b1"])
    assert set(seen.values()) <= {"error", "not_applicable"}
    assert {"POSTFIX-010", "QMAIL-010", "COMMON-100"} <= {name for name, one in seen.items() if one == "error"}


def test_an_open_relay_without_an_mta_that_is_known_is_no_pass(play, tmp_path):
    with serving(Script(do_rcpt=lambda peer, line: peer.say("250 Ok"))) as port:
        made = play("mailops.rescue.comply", {"b": {"b1": at(tmp_path, mailops_smtp_port=port)}}, **CALLBACK)
    seen = statuses(report(made)["b1"])
    assert seen["COMMON-020"] == seen["COMMON-030"] == seen["COMMON-040"] == "error", seen


def test_a_server_that_refuses_everybody_proves_nothing(play, home):
    home.control("rcpthosts", "mail.example.com")
    with serving(Script(do_rcpt=lambda peer, line: peer.say("554 5.7.1 Helo command rejected"))) as port:
        made = play("mailops.rescue.comply", {"b": {"b1": host(home, port)}}, **CALLBACK)
    found = {one["id"]: one for one in report(made)["b1"]["controls"]}
    assert "Postmaster is refused, too" in found["QMAIL-010"]["reason"]
    assert found["QMAIL-010"]["status"] == found["COMMON-020"]["status"] == "error"


def test_a_catchall_that_cannot_be_read_is_unknown(play, home):
    (home.path / "alias" / ".qmail-default").symlink_to("/dev/null")
    with serving(Script()) as port:
        made = play("mailops.rescue.comply", {"b": {"b1": host(home, port)}}, **CALLBACK)
    seen = statuses(report(made)["b1"])
    assert seen["QMAIL-020"] == seen["COMMON-050"] == "error"


def user(home, name, files=()):
    """Add a user with extensions."""
    path = home.home(name, files)
    home.assignments.append(("+%s-" % name, (name, str(os.getuid() or 4242), "0", str(path), "-", "")))
    home.rewrite()


def qmail_010(made):
    return next(one for one in report(made)["b1"]["controls"] if one["id"] == "QMAIL-010")


def test_extensions_of_users_that_bounce_are_no_pass(play, home):
    """Each domain discards; mail to made-up extensions of a user is accepted and bounced."""
    (home.path / "alias" / ".qmail-default").write_bytes(b"# gone\n")
    user(home, "joe")
    user(home, "ann", {".qmail-default": b"./Mailbox\n"})
    script = Script(do_rcpt=lambda peer, line: peer.say("250 Ok"))
    with serving(script) as port:
        made = play("mailops.rescue.comply", {"b": {"b1": host(home, port)}}, **CALLBACK)
        found = qmail_010(made)
        assert found["status"] == "fail"
        assert "extensions of 1 user(s); accepted: joe-…@mail.example.com" in found["observed"]
        remedy = "mailops.rescue.harden --tags qmail_hardening -e qmail_hardening_user_extensions=discard"
        assert remedy in " ".join(made.text.split())
        asked = re.compile(r"RCPT TO:<joe-mailopsprobe[0-9a-f]+@mail\.example\.com>")
        assert any(asked.match(one) for one in script.commands)
        (home.path / "joe" / ".qmail-default").write_bytes(b"# gone\n")
        found = qmail_010(play("mailops.rescue.comply", {"b": {"b1": host(home, port)}}, **CALLBACK))
        assert found["status"] == "pass", found
        # What is his own, nothing of ours takes the place of.
        (home.path / "joe" / ".qmail-default").write_bytes(b"|exit 100\n")
        made = play("mailops.rescue.comply", {"b": {"b1": host(home, port)}}, **CALLBACK)
        found = qmail_010(made)
        assert found["status"] == "fail" and ".qmail-default is the user's own" in found["observed"]
        assert "Mend what is observed by hand" in " ".join(made.text.split())


def test_extensions_of_users_that_are_refused_or_not_known(play, home):
    (home.path / "alias" / ".qmail-default").write_bytes(b"# gone\n")
    user(home, "joe")

    def look(answer):
        def rcpt(peer, line):
            peer.say(answer if "<joe-" in line else "250 Ok")

        with serving(Script(do_rcpt=rcpt)) as port:
            return qmail_010(play("mailops.rescue.comply", {"b": {"b1": host(home, port)}}, **CALLBACK))

    assert look("550 5.1.1 no mailbox")["status"] == "pass"
    assert look("451 4.7.1 later")["status"] == "error"
    (home.path / "joe" / ".qmail-default").symlink_to("/dev/null")
    found = look("550 5.1.1 no mailbox")
    assert found["status"] == "error" and "joe-: .qmail-default is no regular file" in found["reason"]


def test_growth_since_the_run_before(play, home):
    with serving(Script()) as port:
        hosts = {"b": {"b1": host(home, port, compliance_queue_growth=0)}}
        first = statuses(report(play("mailops.rescue.comply", hosts, **CALLBACK))["b1"])
        second = statuses(report(play("mailops.rescue.comply", hosts, **CALLBACK))["b1"])
        kept = home.path.parent / "mailops-report" / "report.json"
        document = json.loads(kept.read_text())
        document["hosts"][0]["queues"][0]["total"] = 0
        kept.write_text(json.dumps(document))
        third = statuses(report(play("mailops.rescue.comply", hosts, **CALLBACK))["b1"])
        kept.write_text("no JSON")
        fourth = statuses(report(play("mailops.rescue.comply", hosts, **CALLBACK))["b1"])
    assert [one["COMMON-120"] for one in (first, second, third, fourth)] == ["not_applicable", "pass", "fail", "error"]


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ("directory = ~/reports", "home/reports/report.json"),
        ("directory = reports\nprevious = ~/yesterday.json", "home/yesterday.json"),
    ],
)
def test_growth_since_the_report_that_ansible_cfg_names(play, home, tmp_path, settings, kept):
    (tmp_path / "ansible.cfg").write_text("[callback_mailops_report]\n%s\n" % settings)
    before = {"name": "b1", "queues": [{"total": 0}]}
    (tmp_path / kept).parent.mkdir(parents=True)
    (tmp_path / kept).write_text(json.dumps({"hosts": [before]}))
    with serving(Script()) as port:
        hosts = {"b": {"b1": host(home, port, compliance_queue_growth=0)}}
        play("mailops.rescue.comply", hosts, HOME=str(tmp_path / "home"), **CALLBACK)
    written = next(path for path in tmp_path.rglob("reports/report.json"))
    found = {one["name"]: one for one in json.loads(written.read_text())["hosts"]}
    assert statuses(found["b1"])["COMMON-120"] == "fail"


def test_wrong_variables_end_nothing(play, home):
    with serving(Script()) as port:
        hosts = {"a": {"a1": host(home, port, compliance_queue_hours="many")}, "b": {"b1": host(home, port)}}
        made = play("mailops.rescue.comply", hosts, "-e", "waves=1", **CALLBACK)
    assert made.status == 2
    found = report(made)
    assert statuses(found["a1"])["COMMON-000"] == "error"
    assert statuses(found["b1"])["COMMON-100"] == "pass"


def test_every_variable_is_documented():
    used = (ROOT / "roles/compliance/defaults/main.yml").read_text() + (ROOT / "playbooks/comply.yml").read_text()
    names = set(re.findall(r"^(compliance_\w+):", used, re.MULTILINE)) | {"target", "waves", "fail_on"}
    assert len(names) > 15
    documented = (ROOT / "docs/comply.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*?) \|", documented, re.MULTILINE)
    told = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert names <= told, names - told


def test_every_control_is_documented_and_named_once():
    controls = [*COMMON, *OF_MTA["postfix"], *OF_MTA["qmail"]]
    ids = [control.id for control in controls]
    assert len(ids) == len(set(ids)) > 20
    documented = (ROOT / "docs/comply.md").read_text(encoding="utf-8")
    for control in controls:
        assert control.title and control.rationale
        assert "| `%s` | %s |" % (control.id, control.severity) in documented, control.id
