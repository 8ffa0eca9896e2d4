"""The files of a report, and the plugin that reads them."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from datetime import datetime, timedelta, timezone

import pytest

from ansible_collections.mailops.rescue.plugins.plugin_utils.report import (
    check,
    files,
    output,
    settings,
)
from ansible_collections.mailops.rescue.plugins.plugin_utils.report import (
    formats as rendering,
)
from tests.support.reporting import RUN, fleet
from tests.unit.plugins.plugin_utils.report.test_formats import GOLDEN, without


def publish(directory, formats=("all",), **members):
    return output.publish(fleet(), RUN, settings.Settings(str(directory), list(formats), **members))


def test_all_files_are_there_and_no_other(tmp_path):
    made = publish(tmp_path / "new" / "report")
    assert made.warnings == []
    names = sorted(rendering.FILES.values())
    assert sorted(os.listdir(tmp_path / "new" / "report")) == names
    assert sorted(map(os.path.basename, made.paths)) == names
    modes = {name: stat.S_IMODE((tmp_path / "new" / "report" / name).stat().st_mode) for name in names}
    assert {name for name in names if modes[name] != 0o640} == {"mailops_rescue.prom"}
    assert modes["mailops_rescue.prom"] == 0o644


def test_the_second_run_compares_with_the_first_and_keeps_it(tmp_path):
    publish(tmp_path)
    first = (tmp_path / "report.json").read_bytes()
    publish(tmp_path)
    assert (tmp_path / "report.previous.json").read_bytes() == first
    assert json.loads((tmp_path / "report.json").read_text())["changes"]["since"] == RUN["finished"]
    publish(tmp_path)
    assert [name for name in os.listdir(tmp_path) if name.startswith(".")] == []


def test_the_report_before_is_kept_where_there_are_no_links(tmp_path, monkeypatch):
    def link(source, target):
        raise PermissionError(1, "Operation not permitted")

    publish(tmp_path)
    first = (tmp_path / "report.json").read_bytes()
    monkeypatch.setattr(os, "link", link)
    assert publish(tmp_path).warnings == []
    assert (tmp_path / "report.previous.json").read_bytes() == first


@pytest.mark.parametrize("text", ["", "[]", "{}", "\0", '{"schema_version": 9}', "[" * 100000])
def test_a_previous_report_that_cannot_be_read_is_told(tmp_path, text):
    (tmp_path / "report.json").write_text(text)
    made = publish(tmp_path)
    assert len(made.warnings) == 1 and made.warnings[0].startswith("previous: %s" % tmp_path)
    assert len(json.loads((tmp_path / "report.json").read_text())["notes"]) == 1


def test_a_previous_report_that_is_named_and_missing_is_told(tmp_path):
    assert publish(tmp_path, previous=str(tmp_path / "nosuch.json")).warnings
    assert not publish(tmp_path / "other", previous=None).warnings


def test_json_is_always_written_and_bad_formats_are_told(tmp_path):
    made = publish(tmp_path, ["nagios", "pdf"])
    assert sorted(os.listdir(tmp_path)) == ["nagios.txt", "report.json"]
    assert made.warnings == [
        "formats: expected some of json, html, junit, prometheus, nagios, markdown, or all, got pdf."
    ]


def test_without_a_library_the_other_formats_are_written(tmp_path, monkeypatch):
    without(monkeypatch, "prometheus")
    made = publish(tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted(set(rendering.FILES.values()) - {"mailops_rescue.prom"})
    assert [one.split(":")[0] for one in made.warnings] == ["prometheus"]
    assert "pip install prometheus-client" in made.warnings[0]


def test_one_format_that_fails_is_told_and_leaves_its_old_file(tmp_path, monkeypatch):
    publish(tmp_path)
    old = (tmp_path / "report.html").read_bytes()
    real = output.render

    def render(name, document):
        if name == "html":
            raise ValueError("boom")
        return real(name, document)

    monkeypatch.setattr(output, "render", render)
    assert publish(tmp_path).warnings == ["html: not written: ValueError: boom"]
    assert (tmp_path / "report.html").read_bytes() == old


def test_the_textfile_may_go_elsewhere(tmp_path):
    publish(tmp_path / "a", ["prometheus"], prometheus_file=str(tmp_path / "mailops.prom"))
    assert sorted(os.listdir(tmp_path)) == ["a", "mailops.prom"] and os.listdir(tmp_path / "a") == ["report.json"]


def test_masked(tmp_path):
    publish(tmp_path, mask_addresses=True)
    document = json.loads((tmp_path / "report.json").read_text())
    assert document["masked"] is True and "alice" not in json.dumps(document)


def test_a_file_is_replaced_whole(tmp_path, monkeypatch):
    path = tmp_path / "file"
    files.write(str(path), b"old")
    seen = []

    def replace(source, target):
        seen.append((path.read_bytes(), open(source, "rb").read(), os.path.basename(source)))
        raise OSError("boom")

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(OSError, match="boom"):
        files.write(str(path), b"new")
    assert seen[0][:2] == (b"old", b"new") and not seen[0][2].endswith(".prom")
    assert os.listdir(tmp_path) == ["file"] and path.read_bytes() == b"old"


def answer(directory, hours, code=None, **members):
    """What the plugin says `hours` after the run."""
    document = json.loads((directory / "report.json").read_text())
    if code is not None:
        document["summary"]["exit_code"] = code
    (directory / "report.json").write_text(json.dumps(dict(document, **members)))
    now = datetime(2026, 11, 22, 2, 1, 5, tzinfo=timezone.utc) + timedelta(hours=hours)
    return check.check(str(directory), 26, now)


@pytest.mark.parametrize(
    ("hours", "code", "status", "text"),
    [
        (1, 0, 0, "MAILOPS OK - 4 hosts"),
        (1, 2, 2, "MAILOPS CRITICAL - 4 hosts"),
        (30, 0, 3, "MAILOPS UNKNOWN - the last report is 30 hours old\n"),
        (30, 2, 2, "MAILOPS CRITICAL - the last report is 30 hours old; 4 hosts"),
        (-30, 0, 3, "MAILOPS UNKNOWN - the last report is of a time to come, in 30 hours\n"),
        (-0.5, 0, 0, "MAILOPS OK - 4 hosts"),
        (1, 7, 3, "MAILOPS UNKNOWN - the report has no exit status\n"),
        (1, True, 3, "MAILOPS UNKNOWN - the report has no exit status\n"),
    ],
)
def test_the_plugin(tmp_path, hours, code, status, text):
    publish(tmp_path, ["json", "html"])
    shown, found = answer(tmp_path, hours, code)
    assert found == status and shown.startswith(text)
    assert (" | " in shown.splitlines()[0]) is (status != 3)


def test_the_plugin_says_what_the_report_says_and_not_an_older_file(tmp_path):
    publish(tmp_path)
    (tmp_path / "nagios.txt").write_text("MAILOPS OK - all pass | hosts=1\n")
    assert answer(tmp_path, 1) == ((GOLDEN / "nagios.txt").read_text(), 2)


@pytest.mark.parametrize(
    "members",
    [
        {"schema_version": 2},
        {"fleet": None},
        {"summary": []},
        {"hosts": [7]},
        {"hosts": [{"status": "pass", "controls": [{"status": "fail", "id": "x"}]}]},
    ],
)
def test_the_plugin_takes_nothing_that_is_no_report(tmp_path, members):
    publish(tmp_path)
    text, status = answer(tmp_path, 1, **members)
    assert status == 3 and text.startswith("MAILOPS UNKNOWN - no report can be read: ")
    assert text.count("\n") == 1


def test_the_plugin_is_given_no_performance_data_by_strangers(tmp_path):
    (tmp_path / "report.json").write_text('{"schema_version": "| x=1 | \\n"}')
    assert "|" not in check.check(str(tmp_path), 26)[0]


def test_the_plugin_by_itself(tmp_path):
    publish(tmp_path / "report", ["json"])
    alone = shutil.copy(check.__file__, tmp_path)
    done = subprocess.run(
        [sys.executable, "-I", "-S", alone, "--max-age", "1e9", tmp_path / "report"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (2, "")
    assert done.stdout == (GOLDEN / "nagios.txt").read_text()


def test_the_plugin_without_a_report(tmp_path):
    done = subprocess.run(
        [sys.executable, "-I", check.__file__, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout.startswith("MAILOPS UNKNOWN - no report can be read: ")
