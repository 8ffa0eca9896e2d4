"""The playbooks, run as an operator runs them, on queues that are copies."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.scan.selection import Selection
from tests.support.archives import QMAIL
from tests.support.playing import NOTHING_LISTENS, PLAYER, at, playbook_text
from tests.support.postfix_queue import Client, PostfixQueue

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def queues(tmp_path_factory):
    directory = tmp_path_factory.mktemp("queues")
    for name in ("incident", "states"):
        with tarfile.open(QMAIL / ("qmail-%s.tar.xz" % name)) as opened:
            opened.extractall(directory / name, filter="tar")
    return directory


@pytest.fixture(scope="module")
def postfix(tmp_path_factory):
    queue = PostfixQueue(tmp_path_factory.mktemp("postfix") / "spool")
    now = time.time()
    for index in range(120):
        queue.add(
            b"Subject: {{ lookup('pipe','touch canary') }}\n\nbuy \x1b[31m now\n",
            sender="info@example.com",
            recipients=["user%d@example.net" % index],
            client=Client("203.0.113.9", sasl_username="info@example.com"),
            arrival=now - 600 - index,
        )
    return queue.path


def test_inspect_a_mixed_fleet(play, queues, postfix):
    made = play(
        "mailops.rescue.inspect",
        {
            "qmail": {"mx1": at(queues / "incident" / "queue")},
            "postfix": {"out1": at(postfix)},
            "found_out": {"mx2": at(queues / "states" / "queue")},
        },
    )
    assert made.status == 0, made.text
    assert "MAIL QUEUES  2,191 messages" in made.text
    assert "3 of 3 hosts read\n" in made.text
    assert "1,996 of 2,045 messages (98 %) are failure notices about addresses at\n   mail.example.com" in made.text
    assert "Queues local 10, remote 2,035\n" in made.text
    assert "120 of 120 messages (100 %) were sent with the login info@example.com" in made.text
    assert "Queues deferred 120\n" in made.text
    assert "Queues remote 19, todo 5, incomplete 2, bounce 1\n" in made.text
    assert '"top"' not in made.text


def test_hosts_that_cannot_be_read_stop_nobody(play, queues, tmp_path):
    hosts = {
        "qmail": {
            "mx1": at(queues / "incident" / "queue"),
            "wrong": at(tmp_path / "nowhere"),
            "badpath": {"mailops_queue_directory": "{{ no_such_variable }}"},
        },
        "unknown": {"gone": NOTHING_LISTENS},
    }
    made = play("mailops.rescue.inspect", hosts)
    assert made.status == 2
    assert "1 of 4 hosts read, 3 NOT READ" in made.text
    told = " ".join(made.text.split())
    assert " wrong: queue_directory: " in told
    assert " gone: unreachable: " in told
    assert " badpath: " in told
    assert "are failure notices" in made.text
    assert '"msg": "3 of 4 hosts could not be read; see NOT READ above"' in made.text


@pytest.mark.parametrize("fatal", ["true", "false"])
def test_the_summary_comes_even_when_all_hosts_fail(play, tmp_path, fatal):
    hosts = {"qmail": {"wrong": at(tmp_path / "nowhere")}, "unknown": {"gone": NOTHING_LISTENS}}
    made = play("mailops.rescue.inspect", hosts, ANSIBLE_ANY_ERRORS_FATAL=fatal)
    assert made.status == 2
    assert "MAIL QUEUES  nothing could be read\n0 of 2 hosts read, 2 NOT READ" in made.text


def test_only_unreachable_hosts(play):
    made = play("mailops.rescue.inspect", {"unknown": {"gone": NOTHING_LISTENS}})
    assert made.status == 2
    assert "0 of 1 host read, 1 NOT READ" in made.text


def test_the_free_strategy_shows_one_summary(play, queues, postfix):
    hosts = {"unknown": {"mx1": at(queues / "states" / "queue"), "out1": at(postfix)}}
    made = play("mailops.rescue.inspect", hosts, ANSIBLE_STRATEGY="free")
    assert made.status == 0, made.text
    assert made.text.count("MAIL QUEUES") == 1


def test_limit_to_a_host_and_check_mode(play, queues, postfix):
    hosts = {"unknown": {"mx1": at(queues / "states" / "queue"), "out1": at(postfix)}}
    made = play("mailops.rescue.inspect", hosts, "-l", "mx1", "--check", "--diff")
    assert made.status == 0, made.text
    assert "1 of 1 host read" in made.text


def test_the_next_commands_run_as_they_are_shown(play, queues, postfix):
    hosts = {"qmail": {"mx1": at(queues / "incident" / "queue")}, "postfix": {"out1": at(postfix)}}
    made = play("mailops.rescue.inspect", hosts, "-e", '{"exclude": {"smaller_than": 1}, "mailops_become": false}')
    commands = made.commands()
    # Nothing but its number speaks against the login.
    assert [word.split()[1].rpartition(".")[2] for word in commands] == ["view", "inspect", "purge", "view", "inspect"]
    for command in commands:
        words = shlex.split(command)
        assert words[0] == "ansible-playbook"
        assert json.loads(words[-1])["mailops_become"] is False
        is_purge = words[1].endswith("purge")
        ran = play.run([str(PLAYER), *words[1:], *(["--check"] if is_purge else [])])
        assert ran.status == 0, ran.text
        if is_purge:
            assert "WOULD PURGE  1,996 messages" in ran.text or "WOULD PURGE  120 messages" in ran.text
        elif words[1].endswith("view"):
            assert " selected messages shown" in ran.text
        else:
            assert "1,996 messages selected of 2,045" in ran.text or "120 messages" in ran.text


def test_view_by_selection_shows_text_and_runs_none_of_it(play, postfix):
    made = play(
        "mailops.rescue.view",
        {"postfix": {"out1": at(postfix)}},
        "-e",
        json.dumps({"select": {"subject": "canary"}, "limit": 2}),
    )
    assert made.status == 0, made.text
    assert "out1  2 of 120 selected messages shown" in made.text
    assert "  Subject  {{ lookup('pipe','touch canary') }}" in made.text
    assert "  | buy \\x1b[31m now" in made.text
    assert "  Login    info@example.com" in made.text


@pytest.mark.parametrize("as_json", [False, True])
def test_view_by_ids(play, queues, as_json):
    ids = sorted(path.name for path in (queues / "states" / "queue" / "mess").glob("*/*"))[:2]
    variable = json.dumps({"ids": [int(one) for one in ids]}) if as_json else "ids=" + ",".join(ids)
    made = play("mailops.rescue.view", {"unknown": {"mx1": at(queues / "states" / "queue")}}, "-e", variable)
    assert made.status == 0, made.text
    assert "mx1  2 of 2 selected messages shown" in made.text
    assert all("\n%s  " % one in made.text for one in ids)


def test_view_all_awkward_messages(play, queues):
    made = play(
        "mailops.rescue.view",
        {"unknown": {"mx1": at(queues / "states" / "queue")}},
        "-e",
        '{"select": {"larger_than": 0}, "exclude": {"ids": "0"}, "limit": 100, "content_bytes": 500}',
    )
    assert made.status == 0, made.text
    assert "mx1  26 of 26 selected messages shown" in made.text or "mx1  25 of 25" in made.text


def test_view_without_a_selection_says_what_is_missing(play, queues):
    made = play("mailops.rescue.view", {"unknown": {"mx1": at(queues / "states" / "queue")}})
    assert made.status == 2
    assert "Say which messages: -e ids=ID1,ID2 or -e" in made.text


def test_a_bad_selection_names_the_option(play, queues):
    made = play(
        "mailops.rescue.inspect",
        {"unknown": {"mx1": at(queues / "states" / "queue")}},
        "-e",
        '{"select": {"sender": "("}}',
    )
    assert made.status == 2
    assert "  mx1: select: sender" in made.text or "  mx1: select.sender" in made.text


def test_listing(play, queues, tmp_path):
    listing = tmp_path / "all.jsonl"
    hosts = {"unknown": {"mx1": at(queues / "states" / "queue")}}
    made = play("mailops.rescue.inspect", hosts, "-e", "listing=%s" % listing)
    assert made.status == 0, made.text
    assert str(listing) in made.text.replace("\n", "").replace(" ", "")
    assert len(listing.read_text().splitlines()) == 26


def test_playbooks_by_path_in_a_checkout(queues, tmp_path):
    inventory = tmp_path / "hosts"
    inventory.write_text(
        "mx1 ansible_connection=local ansible_python_interpreter=%s"
        " mailops_become=false mailops_queue_directory=%s\n" % (sys.executable, queues / "incident" / "queue")
    )
    words = [str(PLAYER), "playbooks/inspect.yml", "-i", str(inventory)]
    made = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    assert "ansible-playbook playbooks/view.yml -i %s -l mx1 " % inventory in made.stdout


def test_the_example_inventory_parses_and_says_what_it_means():
    words = [str(PLAYER.with_name("ansible-inventory")), "-i", "inventory/example", "--list"]
    made = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=300, check=True)
    assert "WARNING" not in made.stderr
    inventory = json.loads(made.stdout)
    hosts = inventory["_meta"]["hostvars"]
    assert len(hosts) == 13
    assert hosts["lists.tyo.example.com"]["mailops_queue_directory"] == "/var/indimail/queue"
    assert hosts["relay.fra.example.com"]["ansible_ssh_extra_args"] == "-o ProxyJump=jump.fra.example.com"
    assert hosts["seized-mx7"]["mailops_become"] is False
    assert "ansible_ssh_extra_args" not in hosts["mx1.tyo.example.com"]
    words = [str(PLAYER), "playbooks/inspect.yml", "-i", "inventory/example", "--list-hosts"]
    made = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=300, check=True)
    assert "hosts (13)" in made.stdout


def documented_commands():
    for page in ("README.md", "docs/demo.md", "docs/inspect.md", "docs/purge.md"):
        for line in (ROOT / page).read_text(encoding="utf-8").splitlines():
            line = line.strip().removeprefix("$ ")
            if line.startswith("ansible-playbook playbooks/"):
                yield line


@pytest.mark.parametrize("command", sorted(set(documented_commands())))
def test_documented_commands_are_right(command):
    words = shlex.split(command)
    assert (ROOT / words[1]).is_file()
    variables = {}
    for given in (words[index + 1] for index, word in enumerate(words) if word == "-e"):
        variables.update(json.loads(given) if given.startswith("{") else [given.split("=", 1)])
    Selection(variables.pop("select", None), variables.pop("exclude", None))
    used = (ROOT / words[1]).read_text(encoding="utf-8")
    assert all(re.search(r"\b%s (\| default|if |\}\})" % name, used) for name in variables)


def test_every_variable_is_documented():
    documented = (ROOT / "docs" / "inspect.md").read_text(encoding="utf-8")
    for name in ("inspect", "view"):
        used = playbook_text(name)
        names = set(re.findall(r"\{\{ (\w+) (?:\| default|if)|(\w+) is defined", used))
        names = {one for pair in names for one in pair if one and not one.startswith("__")}
        assert len(names) > 10
        rows = re.findall(r"^\| (.*?) \| (both|%s) \|" % name, documented, re.MULTILINE)
        assert names == {one for row, _playbook in rows for one in re.findall(r"`(\w+)`", row)}
