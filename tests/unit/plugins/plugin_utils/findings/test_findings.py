from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from ansible_collections.mailops.rescue.plugins.module_utils.mail.text import visible
from ansible_collections.mailops.rescue.plugins.plugin_utils.findings.exact import at_domain, whole
from ansible_collections.mailops.rescue.plugins.plugin_utils.findings.findings import findings
from tests.unit.plugins.plugin_utils.results import result

CASES = yaml.safe_load(Path(__file__).with_name("cases.yml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_cases(case):
    found = [one.as_dict() for one in findings(result(**case["result"]), case.get("known", ()))]
    shown = [{key: one[key] for key in ("kind", "severity", "text", "select", "evidence")} for one in found]
    assert shown == [{"select": None, "evidence": [], **expected} for expected in case["findings"]]
    for one in found:
        assert 0 < one["share"] <= 1
        assert one["what"]


@pytest.mark.parametrize(
    "subject",
    [
        "plain",
        "a.b*c+d?[e](f){g}|h^i$j\\k",
        "\x1b]0;title\x07",
        "bidi \u202e txt.exe",
        "tag \U000e0041",
        "\x9b31m",
        "literal \\x1b and \x1b",
        "{{ x }}{% y %}{# z #}",
        "日本語の件名",
        "trailing space ",
    ],
)
def test_an_expression_matches_the_text_that_it_was_made_from_and_no_longer_one(subject):
    pattern = whole(visible(subject))
    assert re.search(pattern, subject)
    assert not re.search(pattern, subject + "x")
    assert not re.search(pattern, "x" + subject)
    assert not re.search(r"\{[{%#]", pattern)


@pytest.mark.parametrize("value", ["", "cut…", "x" * 200, "日" * 67])
def test_what_may_have_been_cut_has_no_exact_expression(value):
    assert whole(value) is None
    assert at_domain(value) is None


def test_a_domain_is_matched_to_its_end_and_its_dots_are_dots():
    pattern = at_domain("mail.example.com")
    assert re.search(pattern, "a@mail.example.com")
    for other in ("a@mailxexample.com", "a@mail.example.com.net", "a@b.mail.example.com"):
        assert not re.search(pattern, other)
