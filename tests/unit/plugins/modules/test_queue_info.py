"""The module as Ansible runs it: options as JSON in, one JSON document out."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.documents import documents
from tests.support.inspecting import OPTIONS
from tests.support.postfix_queue import PostfixQueue
from tests.support.qmail_queue import QmailQueue

ROOT = Path(__file__).resolve().parents[4]
MODULE = ROOT / "plugins" / "modules" / "queue_info.py"


def run(**options):
    """Return (exit status, result) of the module."""
    done = subprocess.run(
        [sys.executable, str(MODULE)],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": options}).encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd="/",
        timeout=120,
        check=False,
        env=dict(os.environ, PYTHONPATH=str(ROOT)),
    )
    assert done.stdout, done.stderr.decode()
    return done.returncode, json.loads(done.stdout)


@pytest.fixture
def queue(tmp_path):
    queue = QmailQueue(tmp_path / "queue", split=3)
    for number in range(3):
        queue.add("Subject: s%d\n\nbody\n" % number, "a@example.com", remote=["b@example.net"])
    return queue


def test_result_has_what_is_documented(queue):
    status, result = run(queue_directory=queue.path, content="message")
    assert status == 0
    returned = documents("queue_info")["RETURN"]
    assert set(result) - {"invocation", "changed"} == set(returned)
    assert set(result["counts"]) == set(returned["counts"]["contains"])
    assert set(result["messages"][0]) == set(returned["messages"]["contains"])
    shown = returned["messages"]["contains"]["recipients"]["contains"]
    assert set(result["messages"][0]["recipients"][0]) == set(shown)
    assert result["changed"] is False


def test_result_on_postfix_has_the_same(tmp_path):
    PostfixQueue(tmp_path).add("Subject: x\n\n", "a@example.com", ["b@example.net"])
    status, result = run(queue_directory=str(tmp_path))
    assert (status, result["mta"], result["counts"]["total"]) == (0, "postfix", 1)
    assert set(result) - {"invocation", "changed"} == set(documents("queue_info")["RETURN"])


def test_defaults_are_those_of_the_tests(queue):
    result = run(queue_directory=queue.path)[1]
    given = dict(result["invocation"]["module_args"], queue_directory=None)
    assert given == dict(OPTIONS, workers=0)


def test_options_reach_the_engine(queue, tmp_path):
    status, result = run(
        queue_directory=queue.path,
        select={"subject": ["s1", "s2"]},
        exclude={"subject": "s2"},
        limit=1,
        top=1,
        listing=str(tmp_path / "list"),
        workers=2,
        timeout_per_message=2,
        mta="qmail",
    )
    assert status == 0
    assert [one["subject"] for one in result["messages"]] == ["s1"]
    assert result["listing"] == str(tmp_path / "list")
    assert len((tmp_path / "list").read_text().splitlines()) == 1


def test_check_mode_gives_the_same_and_writes_nothing(queue, tmp_path):
    listing = str(tmp_path / "list")
    options = {"queue_directory": queue.path, "listing": listing}
    wet = run(**options)[1]
    os.unlink(listing)
    status, dry = run(_ansible_check_mode=True, **options)
    assert (status, dry["changed"], dry["listing"]) == (0, False, None)
    assert not os.path.exists(listing)
    for name in ("counts", "top", "queues", "truncated"):
        assert dry[name] == wet[name]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"select": {"sendr": "x"}}, "select.sendr: there is no such key (did you mean sender?)"),
        ({"exclude": {"body": "("}}, "exclude.body: '(' is not a regular expression: "),
        ({"select": {"client_address": "1.2.3"}}, "select.client_address: expected an IPv4 or IPv6 address"),
        ({"select": {"older_than": "1y"}}, "select.older_than: expected an age"),
        ({"limit": 1001}, "limit: expected 0 to 1000 messages, got 1001."),
        ({"queue_directory": "/absent"}, "queue_directory: /absent: No such file or directory."),
        ({"config_directory": "/etc/postfix"}, "config_directory: expected either it or queue_directory, got both."),
        ({"mta": "sendmail"}, "value of mta must be one of: auto, qmail, postfix, got: sendmail"),
        ({"selekt": {}}, "Unsupported parameters for"),
        ({"timeout_per_message": float("nan")}, "timeout_per_message: expected 0.01 to 3600 seconds"),
    ],
)
def test_refusals_are_sentences(queue, options, sentence):
    status, result = run(**dict({"queue_directory": queue.path}, **options))
    assert (status, result["failed"]) == (1, True)
    assert sentence in result["msg"]
    assert "Traceback" not in json.dumps(result)


def test_linked_part_of_a_queue_is_a_sentence(queue, tmp_path):
    os.rename(os.path.join(queue.path, "todo"), tmp_path / "todo")
    os.symlink(tmp_path / "todo", os.path.join(queue.path, "todo"))
    status, result = run(queue_directory=queue.path)
    assert (status, result["failed"]) == (1, True)
    assert "todo" in result["msg"]
    assert "Traceback" not in json.dumps(result)


def test_thousands_of_ids_do_not_come_back(queue):
    status, result = run(queue_directory=queue.path, select={"ids": [str(number) for number in range(5000)]})
    assert status == 0
    assert len(json.dumps(result)) < 16384
    assert "left out" in result["invocation"]["module_args"]


def test_samples_and_examples_are_of_the_documented_shape():
    found = documents("queue_info")
    returned = found["RETURN"]["messages"]
    assert set(returned["sample"][0]) == set(returned["contains"]) - {"content"}
    options = set(OPTIONS)
    for task in found["EXAMPLES"]:
        assert set(task["mailops.rescue.queue_info"] or {}) <= options
    assert set(found["DOCUMENTATION"]["options"]) <= options
