"""The action plugin with the templar of the installed ansible-core; tests/integration/test_report.py plays it."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from ansible_collections.mailops.rescue.plugins.action import control
from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance import waivers as waiving
from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.records import SEVERITIES, STATUSES

try:
    from ansible.template import trust_as_template as trusted
except ImportError:
    trusted = str

STUB = Path(control.__file__).parents[1] / "modules" / "control.py"
HELD = {"reason": "soon replaced", "owner": "alice", "expires": "2026-12-31"}


def trust(value):
    """`value` as if it stood in a playbook."""
    if isinstance(value, str):
        return trusted(value)
    if isinstance(value, dict):
        return {key: trust(item) for key, item in value.items()}
    return [trust(item) for item in value] if isinstance(value, list) else value


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.setattr(waiving, "today", lambda: datetime.date(2026, 11, 22))

    def run(variables=None, tree=None, **arguments):
        for name, text in (tree or {}).items():
            (tmp_path / name).write_text(text if isinstance(text, str) else yaml.safe_dump(text))
        variables = trust({"inventory_hostname": "mx1.example.com", **(variables or {})})
        loader = DataLoader()
        loader.set_basedir(str(tmp_path))
        templar = Templar(loader=loader, variables=variables)
        finalize = getattr(control.ActionModule, "finalize_task_arg", None)
        engine = getattr(templar, "_engine", None)
        given = arguments = trust(arguments)
        if engine is None:
            arguments = {name: templar.template(value) for name, value in given.items()}
        else:
            arguments = {name: finalize(name, value, engine, None) for name, value in arguments.items()}
        task = SimpleNamespace(
            check_mode=False,
            diff=False,
            async_val=False,
            args=arguments,
            collections=(),
            untemplated_args=given,
            action="mailops.rescue.control",
            get_search_path=lambda: [str(tmp_path)],
        )
        plugin = control.ActionModule(
            task=task,
            connection=SimpleNamespace(_shell=SimpleNamespace(tmpdir="/unused")),
            play_context=None,
            loader=loader,
            templar=templar,
            shared_loader_obj=None,
        )
        made = plugin.run(task_vars=variables)
        assert made["changed"] is False and not made.get("failed")
        json.dumps(made)
        for record in made["mailops_controls"]:
            assert record["status"] in STATUSES and record["severity"] in SEVERITIES
        return made["mailops_controls"]

    return run


def one(records):
    assert len(records) == 1
    return records[0]


@pytest.mark.parametrize(
    ("given", "status", "reason"),
    [
        ({"that": "x == 1"}, "pass", None),
        ({"that": True}, "pass", None),
        ({"that": ["x == 1", "x < 2"]}, "pass", None),
        ({"that": "x == 2"}, "fail", None),
        ({"that": ["x == 1", "x == 2"]}, "fail", "condition 2 of 2: x == 2"),
        ({"that": "x == 2", "applicable": "x == 2"}, "not_applicable", "it does not apply to this host"),
        (
            {"that": "x == 2", "applicable": ["x == 1", "x == 3"], "not_applicable_reason": "no qmail"},
            "not_applicable",
            "no qmail",
        ),
        ({"that": "nosuch", "applicable": False}, "not_applicable", "it does not apply to this host"),
        ({"that": "x == 1", "unknown": "x == 1"}, "error", "it could not be checked"),
        ({"that": "x == 1", "unknown": ["x == 2", "x == 1"], "unknown_reason": "no answer"}, "error", "no answer"),
        ({"that": "x == 1", "unknown": ["x == 2"]}, "pass", None),
        ({"that": "nosuch == 1"}, "error", "that: cannot be evaluated: "),
        ({"that": "x =="}, "error", "that: cannot be evaluated: "),
        ({"that": "x == 1", "applicable": "nosuch"}, "error", "applicable: cannot be evaluated: "),
        ({"that": "x == 1", "unknown": "nosuch"}, "error", "unknown: cannot be evaluated: "),
        ({"that": "x == 2", "unknown": ["x == 1", "nosuch"]}, "error", "unknown: cannot be evaluated: "),
        ({"that": [""]}, "error", "that: cannot be evaluated: expected a condition, got nothing"),
        ({}, "error", "that: expected a condition or a list of them, got nothing."),
        ({"that": True, "sevrity": "low"}, "error", "sevrity: there is no such option"),
        (
            {"that": True, "severity": "worst"},
            "error",
            "severity: expected one of low, medium, high, critical, got worst.",
        ),
    ],
)
@pytest.mark.parametrize("inline", [True, False])
def test_statuses(run, given, status, reason, inline):
    definition = {"id": "c", **given}
    made = run({"x": 1}, **definition) if inline else run({"x": 1}, {"c.yml": [definition]}, directory=".")
    record = one(made)
    assert (record["id"], record["status"]) == ("c", status)
    if reason is None:
        assert record["reason"] is None
    else:
        assert record["reason"].startswith(reason)


@pytest.mark.parametrize("name", ["observed", "expected", "title", "references", "remedy"])
def test_a_text_that_cannot_be_evaluated_is_an_error_of_its_control_only(run, name):
    broken = {"id": "b", "that": True, name: "{{ nosuch.thing }}"}
    made = run(
        {"x": 1}, {"c.yml": [{"id": "a", "that": "x == 1"}, broken, {"id": "c", "that": "x == 1"}]}, directory="."
    )
    assert [record["status"] for record in made] == ["pass", "error", "pass"]
    assert made[1]["reason"].startswith(name + ": cannot be evaluated: ")
    # What would be observed does not exist where the control does not apply, or could not be checked.
    for more, status in (({"applicable": False}, "not_applicable"), ({"unknown": True}, "error")):
        record = one(run({}, {"c.yml": [dict(broken, **more)]}, directory="."))
        assert (record["status"], "evaluated" in record["reason"]) == (status, False)


@pytest.mark.skipif(trusted is str, reason="before ansible-core 2.19 the task fails before the action sees it")
def test_inline_an_undefined_variable_does_not_stop_the_play(run):
    record = one(run({}, id="c", that=True, observed="{{ nosuch }}", references=["{{ nosuch }}"]))
    assert record["status"] == "error"
    assert record["reason"].startswith("observed: cannot be evaluated: ")
    assert one(run({}, id="c", that="{{ nosuch }}"))["status"] == "error"
    assert run({}, id="c", that=True, waivers="{{ nosuch }}")[0]["id"] == "mailops_waivers"


def test_conditions_may_come_as_a_list_out_of_a_variable(run):
    assert one(run({"x": 1, "all_of": ["x == 1", "x == 2"]}, id="c", that="{{ all_of }}"))["status"] == "fail"


def test_values_are_shown_as_text(run):
    values = {"observed": {"b": [1, True, None]}, "expected": 7, "title": "T {{ x }}", "references": "one"}
    record = one(run({"x": 1}, {"c.yml": [{"id": "c", "that": True, **values}]}, directory="."))
    assert (record["observed"], record["expected"], record["title"], record["references"]) == (
        '{"b": [1, true, null]}',
        "7",
        "T 1",
        ["one"],
    )


def test_strangers_text_is_bounded_and_harmless(run):
    nasty = "\x1b[31m\u202e\ud800\ufffe\x00" + "W" * 10000
    record = one(run({}, id="c", that=False, observed=nasty, title="one\ntwo"))
    assert record["observed"].startswith("\\x1b[31m\\u202e\\ud800\\ufffe\\x00WWW")
    assert len(record["observed"]) == 1000 and record["title"] == "one two"


def test_files_that_cannot_be_read_touch_no_other(run):
    files = {
        "a.yml": [{"id": "a", "that": True}, 7, {"that": True}],
        "b.yml": "- id: [",
        "c.yaml": {"id": "no list"},
        "d.yml": [{"id": "d", "that": True}],
        "ignored.txt": "x",
    }
    made = {record["id"]: record for record in run({}, files, directory=".")}
    assert {name: record["status"] for name, record in made.items()} == {
        "a": "pass",
        "a-2": "error",
        "a-3": "error",
        "b": "error",
        "c": "error",
        "d": "pass",
    }
    assert made["a-2"]["reason"] == "expected a dictionary with a control in it, got a number."
    assert made["a-3"]["reason"] == "id: expected a name, got nothing."
    assert made["b"]["reason"].startswith("b.yml: ")
    assert made["c"]["reason"] == "c.yaml: expected a list of controls, got dict."


@pytest.mark.parametrize("name", ["that", "unknown", "applicable"])
def test_a_list_of_conditions_by_a_variable_is_no_truth_value(run, name):
    tree = {"c.yml": [{"id": "c", "that": False, name: "{{ given }}"}]}
    assert one(run({"given": ["1 == 2"]}, tree, files=["c.yml"]))["status"] == "error"
    assert one(run({"given": False}, tree, files=["c.yml"]))["status"] != "error"


def test_a_missing_file_or_directory_is_an_error(run):
    for arguments in ({"files": ["nosuch.yml"]}, {"directory": "nosuch"}, {"files": [7]}, {}):
        assert one(run({}, **arguments))["status"] == "error"


@pytest.mark.parametrize(
    ("waiver", "status", "reason"),
    [
        ({"control": "c-1"}, "waived", None),
        ({"control": "c-*"}, "waived", None),
        ({"control": "d-*"}, "fail", None),
        ({"control": "c-1", "hosts": ["mx*.example.com"]}, "waived", None),
        ({"control": "c-1", "hosts": "mx2*"}, "fail", None),
        ({"control": "c-1", "hosts": []}, "fail", None),
        ({"control": "c-1", "expires": "2026-11-22"}, "waived", None),
        ({"control": "c-1", "expires": datetime.date(2027, 1, 1)}, "waived", None),
        ({"control": "c-1", "expires": "2026-11-21"}, "fail", "The waiver by alice expired on 2026-11-21."),
        (
            {"control": "c-1", "expires": "soon"},
            "error",
            "waiver 1 in mailops_waivers (for c-1): expires: expected a date as in 2027-01-31, got soon.",
        ),
        (
            {"control": "c-1", "expires": "2026-02-30"},
            "error",
            "waiver 1 in mailops_waivers (for c-1): expires: expected a date as in 2027-01-31, got 2026-02-30.",
        ),
        (
            {"control": "c-1", "expires": None},
            "error",
            "waiver 1 in mailops_waivers (for c-1): expires: expected a date as in 2027-01-31, got nothing.",
        ),
        (
            {"control": "c-1", "owner": " "},
            "error",
            "waiver 1 in mailops_waivers (for c-1): owner: expected a text, got nothing.",
        ),
        (
            {"control": "c-1", "reason": None},
            "error",
            "waiver 1 in mailops_waivers (for c-1): reason: expected a text, got nothing.",
        ),
        (
            {"control": "c-1", "host": "x"},
            "error",
            "waiver 1 in mailops_waivers (for c-1): host: there is no such key; there are control, reason, owner, "
            "expires, hosts.",
        ),
        (
            {"control": "c-1", "hosts": {"a": 1}},
            "error",
            "waiver 1 in mailops_waivers (for c-1): hosts: expected a list of host names or patterns, got a "
            "dictionary.",
        ),
    ],
)
@pytest.mark.parametrize("where", ["option", "variable"])
def test_waivers(run, waiver, status, reason, where):
    given = [dict(HELD, **waiver)]
    made = run(
        {"mailops_waivers": given} if where == "variable" else {},
        id="c-1",
        that=False,
        **({"waivers": given} if where == "option" else {}),
    )
    record = one(made)
    assert (record["status"], record["reason"]) == (status, reason)
    assert (record["waiver"] is not None) is (status == "waived" or "expired" in (reason or ""))
    if record["waiver"]:
        assert record["waiver"]["expired"] is (status == "fail")


def test_a_waiver_that_holds_is_better_than_one_that_is_over(run):
    given = [dict(HELD, control="c", expires="2020-01-01"), dict(HELD, control="c*")]
    assert one(run({"mailops_waivers": given}, id="c", that=False))["status"] == "waived"


def test_only_what_fails_is_waived(run):
    given = [dict(HELD, control="*")]
    for condition, status in (("true", "pass"), ("nosuch", "error")):
        record = one(run({"mailops_waivers": given}, id="c", that=condition))
        assert (record["status"], record["waiver"]) == (status, None)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"control": "c"}, "mailops_waivers: expected a list of waivers, got a dictionary."),
        (["c"], "waiver 1 in mailops_waivers: expected a dictionary, got a text."),
        ([HELD], "waiver 1 in mailops_waivers: control: expected a control's id or a pattern, got nothing."),
    ],
)
def test_waivers_for_nobody_knows_what_are_told_once_and_waive_nothing(run, given, reason):
    told, record = run({"mailops_waivers": given}, id="c", that=False)
    assert (told["id"], told["status"], told["reason"]) == ("mailops_waivers", "error", reason)
    assert record["status"] == "fail"


def test_documented_options_are_those_accepted():
    module = STUB.read_text(encoding="utf-8")
    options = yaml.safe_load(module.split('DOCUMENTATION = r"""')[1].split('"""')[0])["options"]
    assert sorted(options) == sorted(control.ARGUMENTS)
    returned = yaml.safe_load(module.split('RETURN = r"""')[1].split('"""')[0])["mailops_controls"]["contains"]
    assert sorted(returned) == sorted(control.unusable("x", "x", "x"))
