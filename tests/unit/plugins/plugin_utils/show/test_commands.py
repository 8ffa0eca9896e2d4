from __future__ import annotations

import json
import shlex

import pytest

from ansible_collections.mailops.rescue.plugins.plugin_utils.findings.findings import findings
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.commands import Invocation, narrowed, next_commands
from tests.unit.plugins.plugin_utils.results import result


def backscatter(count, **more):
    """Findings of notices about one domain, to many."""
    top = {"bounced_recipient_domain": {"mail.example.com": count}, "recipient_domain": {"example.net": 10}}
    return findings(result(count, bounces=count, top=top, **more))


def commands(by_host, invocation):
    return [command for cause in next_commands(by_host, invocation) for _purpose, command in cause["steps"]]


def test_what_a_shell_and_json_make_of_it_is_the_selection():
    subject = 'it\'s "50% off"; $(touch canary) `id` \\ !x\n日本'
    reasons = {"550 5.7.1 looks like spam": 100}
    found = findings(result(100, top={"subject": {subject: 100}, "delay_reason": reasons}))
    shown = commands({"mx1": found}, Invocation(options=("-i", "my inventory")))
    assert len(shown) == 3
    for command in shown:
        words = shlex.split(command)
        assert words[2:6] == ["-i", "my inventory", "-l", "mx1"]
        assert json.loads(words[-1])["select"] == found[0].select
        assert command.isascii()


def test_variables_and_exclusion_are_repeated():
    invocation = Invocation(
        variables={"mailops_mta": "qmail"}, exclude={"recipient": "@partner"}, select={"older_than": "2h"}
    )
    (view, inspect, purge) = commands({"mx1": backscatter(100)}, invocation)
    assert json.loads(shlex.split(view)[-1]) == {
        "mailops_mta": "qmail",
        "select": {"older_than": "2h", "bounce": True},
        "exclude": {"recipient": "@partner"},
        "limit": 3,
    }
    assert "limit" not in inspect
    # What is purged is what was looked at, and no more.
    assert json.loads(shlex.split(purge)[-1]) == json.loads(shlex.split(inspect)[-1])
    assert json.loads(shlex.split(purge)[-1])["exclude"] == {"recipient": "@partner"}
    assert " playbooks/purge.yml " in purge


def test_hosts_with_the_same_cause_share_a_command_and_the_largest_cause_comes_first():
    small = findings(result(100, mta="postfix", top={"sasl_username": {"a": 100}}))
    large = backscatter(1000)
    steps = next_commands({"mx1": small, "mx2": large, "mx3": large}, Invocation())
    assert steps[0]["cause"] == "2,000 messages on 2 hosts that are failure notices about addresses at mail.example.com"
    assert "-l mx2 " in steps[0]["steps"][0][1]
    assert "-l mx2,mx3 " in steps[0]["steps"][1][1]
    assert steps[1]["cause"] == "100 messages that were sent with the login a"


def test_a_command_for_more_hosts_than_anyone_checks_says_that_it_is_for_some():
    found = backscatter(1000)
    (cause,) = next_commands({"mx%d" % number: found for number in range(13)}, Invocation())
    assert cause["cause"].startswith("13,000 messages on 13 hosts")
    for purpose, command in cause["steps"][1:]:
        assert "on the worst 12 hosts" in purpose
        assert "mx11" in command
        assert "mx12" not in command
    assert len(cause["steps"]) == 3


def test_a_selection_that_is_already_made_is_not_proposed_again():
    shown = commands({"mx1": backscatter(100)}, Invocation(select={"bounce": True}))
    assert [command.split()[1] for command in shown] == ["playbooks/view.yml", "playbooks/purge.yml"]


@pytest.mark.parametrize(
    ("given", "found", "both"),
    [
        (None, None, None),
        (None, {"bounce": True}, {"bounce": True}),
        ({"older_than": "2h"}, {"bounce": True}, {"older_than": "2h", "bounce": True}),
        ({"sender": "info"}, {"sender": "^info@example\\.com$"}, {"sender": "^info@example\\.com$"}),
        # Not every sender at the domain is one that the operator selected.
        ({"sender": "info"}, {"sender": "@example\\.com$"}, None),
        ({"recipient": "info"}, {"recipient": "@example\\.com$"}, None),
        ({"sender": "{{ x }}"}, {"bounce": True}, None),
        # What the operator gave is matched as before.
        (
            {"sender": "info"},
            {"subject": "^Invoice$", "ignore_case": False},
            {"sender": "info", "subject": "^(?-i:Invoice)$"},
        ),
        (
            {"bounce": True},
            {"subject": "^Invoice$", "ignore_case": False},
            {"bounce": True, "subject": "^Invoice$", "ignore_case": False},
        ),
    ],
)
def test_narrowed(given, found, both):
    assert narrowed(given, found) == both
