"""The summary as a person sees it.

`golden/` holds whole texts. Write them anew with UPDATE_GOLDEN=1, and read the diff.
"""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.mail.text import visible
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.commands import Invocation
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.queue_summary import (
    show_messages,
    show_summary,
    summarise,
)
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.wording import cells
from tests.unit.plugins.plugin_utils.results import result

GOLDEN = Path(__file__).parents[1] / "golden"
HOSTILE = (
    "\x1b]0;owned\x07\x1b[2J\r\n\x9b31m \u202egnp.exe\u2066 {{ lookup('pipe','touch canary') }}"
    " {% raw %} {# <script>x</script> \ud800\x00"
)

INCIDENT = result(
    2045,
    queues={"local": 10, "remote": 2035},
    ages=[[0, 300, 0], [300, 900, 0], [900, 3600, 0], [3600, 14400, 2045], [14400, None, 0]],
    span=(7505, 7502),
    bounces=1996,
    top={
        "sender": {"": 1996, "customer1@partner.example.org": 1},
        "sender_domain": {"": 1996, "partner.example.org": 49},
        "recipient_domain": {"spammer2.example.net": 402, "spammer1.example.net": 400},
        "subject": {"failure notice": 1996, "Your invoice": 3},
        "origin_uid": [[0, 49]],
        "bounced_recipient_domain": {"mail.example.com": 1996},
    },
)
STOLEN = result(
    12000,
    mta="postfix",
    version="3.7.11",
    queues={"active": 2000, "deferred": 10000},
    queue_directory="/var/spool/postfix",
    ages=[[0, 300, 2000], [300, 900, 4000], [900, 3600, 6000]],
    span=(3500, 0),
    top={
        "sender": {"info@example.com": 11900},
        "sender_domain": {"example.com": 11900},
        "sasl_username": {"info@example.com": 11900},
        "client_address": {"203.0.113.9": 11900},
        "subject": {"Ihr Paket wartet, öffnen Sie sofort den Anhang um die Lieferung zu bestätigen": 11900},
        "recipient_domain": {"example.net": 3000},
    },
)
QUIET = result(7, mta="postfix", queues={"deferred": 7}, ages=[[3600, 14400, 7]], span=(9000, 4000))
UNREACHABLE = {
    "unreachable": True,
    "msg": "Task failed: Failed to connect to the host via ssh: ssh: connect to host 192.0.2.1 port 22: "
    "No route to host",
}
FAILED = {"failed": True, "msg": "queue_directory: /var/spool/nothing: no such directory"}


def golden(name, text):
    path = GOLDEN / (name + ".txt")
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def shown(results, known=(), **options):
    return show_summary(summarise(results, known), **options)


def test_a_fleet():
    fleet = {
        "mx1.example.com": INCIDENT,
        "out2.example.com": STOLEN,
        "mx3.example.com": QUIET,
        "mx8.example.com": FAILED,
        "mx9.example.com": UNREACHABLE,
    }
    invocation = Invocation(options=("-i", "inventory/example"))
    golden("fleet", shown(fleet, invocation=invocation))


def test_more_hosts_than_are_shown_in_detail():
    golden("others", shown({"a": QUIET, "b": STOLEN, "c": INCIDENT}, detail=1, top=1))


def test_all_hosts_failed():
    golden("all-failed", shown({"mx8": FAILED, "mx9": UNREACHABLE, "mx10": None}))


def test_an_empty_queue():
    golden("empty", shown({"mx1": result(0)}))


def test_a_part_of_a_queue():
    part = result(2045, matched=1996, bounces=1996, queues={"remote": 2035, "local": 10})
    text = shown({"mx1": part}, known=("bounce",), invocation=Invocation(select={"bounce": True}))
    assert "1,996 messages selected of 2,045" in text
    assert "failure notices" not in text
    assert "NEXT" not in text


def message(**members):
    made = INCIDENT["messages"] or {
        "id": "1562048",
        "queue_directory": "/queue",
        "queue": "remote",
        "state": "S5",
        "sender": "",
        "recipients": [
            {
                "address": "info1622@spammer2.example.net",
                "status": "pending",
                "channel": "remote",
                "delay_reason": None,
            },
            {"address": "b@example.net", "status": "done", "channel": "remote", "delay_reason": "greylisted"},
        ],
        "recipient_count": 500,
        "arrival_time": "2026-01-02T03:04:05Z",
        "age": 3602,
        "size": 1393,
        "subject": "failure notice",
        "header_from": "MAILER-DAEMON@mail.example.com",
        "header_to": "info1622@spammer2.example.net",
        "message_id": None,
        "date": None,
        "client_address": "203.0.113.9",
        "client_name": "dsl.example.net",
        "sasl_username": "info@example.com",
        "origin_uid": 0,
        "is_bounce": True,
        "bounced_recipients": ["imnuuoug@mail.example.com"],
        "content": "Subject: failure notice\n\nHi.\n\tSorry.\n",
    }
    return dict(made, **members)


def test_messages_one_after_another():
    results = {
        "mx1": dict(INCIDENT, messages=[message(), message(id="2", content=None, size=None, age=None, sender=None)]),
        "mx2": dict(QUIET, messages=[]),
        "mx9": UNREACHABLE,
    }
    golden("messages", show_messages(summarise(results)))


def hostile_result():
    values = {HOSTILE: 100}
    tops = dict.fromkeys(
        (
            "sender",
            "sender_domain",
            "recipient_domain",
            "subject",
            "client_address",
            "sasl_username",
            "delay_reason",
            "bounced_recipient_domain",
        ),
        values,
    )
    recipient = {"address": HOSTILE, "status": HOSTILE, "channel": HOSTILE, "delay_reason": HOSTILE}
    return result(
        100,
        bounces=100,
        top=tops,
        version=HOSTILE,
        listing=HOSTILE,
        queues={HOSTILE: 100},
        damaged=[{"path": HOSTILE, "reason": HOSTILE}],
        damaged_count=1,
        undecided=[{"id": HOSTILE, "reason": HOSTILE}],
        undecided_count=1,
        messages=[
            message(
                id=HOSTILE,
                sender=HOSTILE,
                subject=HOSTILE,
                recipients=[recipient],
                client_address=HOSTILE,
                client_name=HOSTILE,
                sasl_username=HOSTILE,
                bounced_recipients=[HOSTILE],
                content=HOSTILE * 3,
                queue=HOSTILE,
            )
        ],
    )


@pytest.mark.parametrize("show", [show_summary, show_messages])
def test_nothing_hostile_reaches_the_terminal(show):
    results = {
        "mx1": hostile_result(),
        HOSTILE: hostile_result(),
        "mx9": {"failed": True, "msg": HOSTILE},
        "mx8": {"failed": True, "msg": "MODULE FAILURE", "module_stderr": HOSTILE},
    }
    text = show(summarise(results))
    bad = {char for char in text if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")} - {"\n"}
    assert not bad
    assert text.encode("utf-8")
    assert "\\x1b" in text


def test_no_command_holds_a_template():
    subject = visible(HOSTILE)
    results = {"mx1": hostile_result(), "mx2": result(100, top={"subject": {subject: 100}})}
    commands = [line for line in shown(results).splitlines() if line.startswith("    ansible-playbook")]
    assert any("canary" in line for line in commands)
    assert not [line for line in commands if re.search(r"\{[{%#]", re.sub(r'\{(?=")', "", line))]


def test_hosts_alike_are_sorted_as_people_count():
    text = shown({"mx%d" % number: QUIET for number in (10, 9, 2, 1)}, detail=0)
    assert [line.split()[1] for line in text.splitlines() if "mx" in line] == ["mx1", "mx2", "mx9", "mx10"]


def test_huge_strings_are_cut():
    huge = "x" * 1000000
    text = shown(
        {"mx1": result(100, top={"subject": {huge: 100}}), "mx2": {"failed": True, "msg": huge}},
    )
    assert len(text) < 5000


def test_500_hosts_fit_on_a_few_screens():
    results = {"mx%03d" % index: QUIET for index in range(490)}
    results.update({"spam%d" % index: STOLEN for index in range(5)})
    results.update({"dead%d" % index: UNREACHABLE for index in range(5)})
    text = shown(results)
    lines = text.splitlines()
    assert lines[0].startswith("MAIL QUEUES  63,430 messages")
    assert lines[1] == "495 of 500 hosts read, 5 NOT READ"
    assert len(lines) < 495 - 10 + 10 * 40
    assert text.index("\nspam0\n") < text.index("\nmx000\n")
    assert all(name in text for name in results)
    assert max(cells(line) for line in lines if not line.startswith("    ansible-playbook")) <= 72


def test_wide_characters_stay_in_their_columns():
    text = shown({"mx1": result(100, top={"subject": {"日本語の件名" * 30: 100}})})
    assert max(cells(line) for line in text.splitlines() if not line.startswith("    ansible-playbook")) <= 72
