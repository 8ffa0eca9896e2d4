"""The action plugin with the templar of the installed ansible-core; tests/integration/test_compliance_controls.py plays
it.
"""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from ansible_collections.mailops.rescue.plugins.action import judge
from tests.unit.plugins.action.showing import accepts_what_is_documented
from tests.unit.plugins.plugin_utils.compliance.judging import judged

BROKEN = {"facts": {"postfix": {"running": False}}}


@pytest.fixture
def run():
    def run(case, variables=None, **options):
        given = judged(case)
        given.update(given.pop("settings"), **options)
        variables = {"inventory_hostname": "mx1", **(variables or {})}
        loader = DataLoader()
        plugin = judge.ActionModule(
            task=SimpleNamespace(
                check_mode=False, diff=False, async_val=False, args=given, collections=(), action="mailops.rescue.judge"
            ),
            connection=SimpleNamespace(_shell=SimpleNamespace(tmpdir="/unused")),
            play_context=None,
            loader=loader,
            templar=Templar(loader=loader, variables=variables),
            shared_loader_obj=None,
        )
        made = plugin.run(task_vars=variables)
        json.dumps(made)
        assert made["changed"] is False
        return {record["id"]: record for record in made["mailops_controls"]}

    return run


def test_what_is_recorded(run):
    records = run(BROKEN)
    assert records["POSTFIX-100"]["status"] == "fail" and records["POSTFIX-110"]["status"] == "pass"
    assert not any(name.startswith("QMAIL") for name in records)


def test_commands_name_the_inventories_of_this_run(run, monkeypatch):
    monkeypatch.setattr(judge.C, "DEFAULT_HOST_LIST", ["/etc/ansible/hosts"])
    sources = {"ansible_inventory_sources": ["/etc/ansible/hosts", "inventory/mine"]}
    remedy = run(BROKEN, sources)["COMMON-100"]["remedy"]
    assert remedy == "ansible-playbook -i inventory/mine -l mx1 mailops.rescue.inspect"


def test_lists_may_be_texts(run):
    records = run({}, rate_limits="smtpd_client_auth_rate_limit, smtpd_client_message_rate_limit", ports="587, 465")
    assert records["POSTFIX-050"]["status"] == "pass"


def test_waivers_are_those_of_the_inventory(run):
    waiver = {"control": "POSTFIX-100", "reason": "a test", "owner": "ann", "expires": "9999-12-31"}
    assert run(BROKEN, {"mailops_waivers": [waiver]})["POSTFIX-100"]["status"] == "waived"
    records = run(BROKEN, {"mailops_waivers": "x"})
    assert records["mailops_waivers"]["status"] == "error" and "expected a list" in records["mailops_waivers"]["reason"]
    assert records["POSTFIX-100"]["status"] == "fail"


def test_options_are_those_that_are_documented():
    accepts_what_is_documented(judge)
