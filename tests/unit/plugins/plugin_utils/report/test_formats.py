"""Each rendering against its golden file and its format; RESCUE_GOLDEN=write makes the golden files anew."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest
import xmlschema

from ansible_collections.mailops.rescue.plugins.plugin_utils.report import formats
from ansible_collections.mailops.rescue.plugins.plugin_utils.report.document import build
from ansible_collections.mailops.rescue.plugins.plugin_utils.report.masks import Mask
from tests.support.browser import Browser, chromium
from tests.support.reporting import (
    CONTROL,
    HOSTILE,
    RUN,
    ULTIMATE,
    before,
    control,
    fleet,
    hostile,
    large,
    restore_command,
)

ROOT = Path(__file__).resolve().parents[5]
GOLDEN = ROOT / "tests/unit/plugins/plugin_utils/golden"
SCHEMA = json.loads((ROOT / "docs/report.schema.json").read_text())


@pytest.fixture(scope="module")
def documents():
    night = build(fleet(), RUN, "Mail servers", before(), (), restore_command)
    return {
        "night": night,
        "first": build(fleet(), RUN, "Mail servers", None, (), restore_command),
        "quiet": before(),
        "none": build(type(fleet())(), RUN, "Mail servers"),
        "hostile": build(hostile(), RUN, ULTIMATE[:200], before(), [ULTIMATE[:500]], restore_command),
        "masked": dict(Mask(b"key").document(night), masked=True),
    }


NAMES = ("night", "first", "quiet", "none", "hostile", "masked")


@pytest.mark.parametrize("name", formats.FORMATS)
def test_golden(documents, name):
    made = formats.render(name, documents["night"])
    golden = GOLDEN / formats.FILES[name]
    if os.environ.get("RESCUE_GOLDEN") == "write":
        golden.write_bytes(made)
    assert made.decode() == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_json_is_as_its_schema_says(documents, name):
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(formats.render("json", documents[name])))


def test_the_schema_refuses_what_is_not_in_it(documents):
    document = json.loads(formats.render("json", documents["night"]))
    document["hosts"][0]["messages"] = [{"content": "private"}]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(SCHEMA).validate(document)


@pytest.mark.parametrize("name", NAMES)
def test_junit_is_as_its_schema_says(documents, name):
    made = formats.render("junit", documents[name])
    xmlschema.XMLSchema(str(ROOT / "tests/support/junit.xsd")).validate(made.decode())
    tree = ElementTree.fromstring(made)
    controls = documents[name]["summary"]["controls"]
    assert len(tree.findall(".//failure")) == controls["fail"] == int(tree.get("failures"))
    assert len(tree.findall(".//skipped")) == controls["waived"] + controls["not_applicable"]
    silent = sum(1 for host in documents[name]["hosts"] if not host["controls"] and host["status"] != "pass")
    assert len(tree.findall(".//error")) == controls["error"] + silent
    assert len(tree.findall(".//testcase")) == controls["total"] + silent
    for one in (tree, *tree.findall("testsuite")):
        for total, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(one.get(total)) == len(one.findall(".//" + tag))


@pytest.mark.parametrize("name", NAMES)
def test_prometheus_takes_the_textfile(documents, name):
    made = formats.render("prometheus", documents[name]).decode()
    assert not re.search(r'="[^"]*@', made)
    assert not re.search(r"(?m)^(# TYPE )?evil", made)
    if not shutil.which("promtool"):
        pytest.skip("promtool is not installed (Debian's package prometheus)")
    done = subprocess.run(["promtool", "check", "metrics"], input=made, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("name", NAMES)
def test_nagios_has_one_line_with_data_and_no_other_bar(documents, name):
    first, *details = formats.render("nagios", documents[name]).decode().splitlines()
    state, data = first.split(" | ")
    code = documents[name]["summary"]["exit_code"]
    assert state.startswith("MAILOPS %s - " % ("OK", "WARNING", "CRITICAL", "UNKNOWN")[code])
    for one in data.split():
        assert re.match(r"[a-z_]+=[0-9.]+s?;;;0$", one)
    assert len(details) <= 21
    assert "|" not in "".join(details)


@pytest.mark.parametrize("name", NAMES)
def test_markdown_is_short_and_strangers_text_is_code(documents, name):
    made = formats.render("markdown", documents[name]).decode()
    assert len(made) < 30000
    # What is no code span is ours.
    assert not re.search(r"[<@\[{]|javascript|\*\*bold", re.sub(r"`[^`\n]*`", "", made))


class _Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.attributes = set(), set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes.update(name for name, _value in attrs)


@pytest.mark.parametrize("name", NAMES)
def test_html_has_only_our_own_tags(documents, name):
    made = formats.render("html", documents[name]).decode()
    found = _Tags()
    found.feed(made)
    assert not found.tags & {"script", "img", "iframe", "object", "link", "base", "form", "textarea"}
    assert not [one for one in found.attributes if one.startswith("on") or one in ("style", "src")]
    # Of what is shown once only, nothing may be lost; what is long is cut.
    if name == "hostile":
        assert "&lt;script&gt;document.title" in made
        assert "\\u202e" in made and "\\x00" in made and "\\ud800" in made
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", made)


def test_every_rendering_is_utf_8_without_what_terminals_act_on(documents):
    for name in formats.FORMATS:
        made = formats.render(name, documents["hostile"]).decode("utf-8")
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufffe\uffff]", made)
    assert len(HOSTILE[-1]) == 10000


def test_no_rendering_shows_a_masked_address(documents):
    for name in formats.FORMATS:
        made = formats.render(name, documents["masked"]).decode()
        for secret in ("alice", "bob", "newsletter", "192.0.2.77", "1:2::3"):
            assert secret not in made, (name, secret)
    assert "192.0.2.0/24" in formats.render("html", documents["masked"]).decode()


def test_large_lists_have_pages():
    made = formats.render("html", build(large(250, 3), RUN, "Large")).decode()
    assert made.count('<details class="page"') == 3
    assert made.count('<details class="page" open') == 1


def without(monkeypatch, name):
    """Let the library of format `name` be missing."""
    library = {"junit": "junitparser", "prometheus": "prometheus_client"}[name]
    monkeypatch.setitem(sys.modules, library, None)
    module = formats._HERE + "as_" + name
    monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, module, importlib.import_module(module))


def test_a_missing_library_is_named(documents, monkeypatch):
    without(monkeypatch, "junit")
    with pytest.raises(formats.MissingLibrary, match=r"^junit: the Python library junitparser is not installed on"):
        formats.render("junit", documents["night"])


@pytest.mark.skipif(chromium() is None, reason="Chromium is not installed (Debian's package chromium)")
def test_in_a_browser(documents, tmp_path):
    documents = dict(documents, large=build(large(120, 8), RUN, "Large"))
    wide = (
        "Array.from(document.querySelectorAll('*')).filter(one => one.getBoundingClientRect().right"
        " > document.documentElement.clientWidth + 1).map(one => one.outerHTML.slice(0, 200))"
    )
    with Browser(chromium()) as browser:
        for name, document in documents.items():
            path = tmp_path / (name + ".html")
            path.write_bytes(formats.render("html", document))
            for width in (390, 1280):
                browser.open(path, width)
                # All of it, closed parts as well.
                browser.value("document.querySelectorAll('details').forEach(one => one.open = true)")
                found = browser.value("document.documentElement.scrollWidth")
                assert found <= width, (name, width, browser.value(wide)[:5])
                assert browser.value("document.title").startswith(document["title"][:20])
                assert browser.value("document.scripts.length") == 0
    assert browser.messages == []
    assert [url for url in browser.requests if not url.startswith("file://%s/" % tmp_path)] == []


# Of what is to be tapped alone, what is lower than a finger needs; of links in a text, than WCAG 2.2 asks for.
SMALL = """Array.from(document.querySelectorAll('a, summary')).filter(one => one.getBoundingClientRect().height
    < (one.matches('li a, dd a, p a') ? 24 : 40)).map(one => one.outerHTML.slice(0, 100))"""
CUT = """Array.from(document.querySelectorAll('main *')).filter(one => one.scrollWidth > one.clientWidth + 1
    && getComputedStyle(one).overflowX == 'hidden').map(one => one.outerHTML.slice(0, 100))"""
FAINT = """(() => {
    const parts = text => text.match(/[\\d.]+/g).map(Number);
    const light = color => color.slice(0, 3).map(one => one / 255).map(
        one => one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4
    ).reduce((sum, one, index) => sum + one * [0.2126, 0.7152, 0.0722][index], 0);
    const behind = one => {
        const color = parts(getComputedStyle(one).backgroundColor);
        return color[3] === 0 ? behind(one.parentElement) : color;
    };
    return Array.from(document.querySelectorAll('body *')).filter(
        one => Array.from(one.childNodes).some(child => child.nodeType == 3 && child.data.trim())
    ).filter(one => {
        const both = [light(parts(getComputedStyle(one).color)), light(behind(one))].sort((a, b) => b - a);
        return (both[0] + 0.05) / (both[1] + 0.05) < 4.5;
    }).map(one => one.outerHTML.slice(0, 100));
})()"""


@pytest.mark.skipif(chromium() is None, reason="Chromium is not installed (Debian's package chromium)")
def test_on_a_phone_at_night(documents, tmp_path):
    with Browser(chromium()) as browser:
        for name in ("night", "hostile"):
            path = tmp_path / (name + ".html")
            path.write_bytes(formats.render("html", documents[name]))
            for dark in (False, True):
                browser.open(path, 390, dark=dark)
                browser.value("document.querySelectorAll('details').forEach(one => one.open = true)")
                assert (browser.value(SMALL), browser.value(CUT), browser.value(FAINT)) == ([], [], []), (name, dark)


@pytest.mark.skipif(chromium() is None, reason="Chromium is not installed (Debian's package chromium)")
def test_a_link_to_a_host_opens_it_and_goes_there(tmp_path):
    path = tmp_path / "report.html"
    path.write_bytes(formats.render("html", build(large(120, 2), RUN, "Large")))
    with Browser(chromium()) as browser:
        browser.open(path, 390)
        link = "Array.from(document.querySelectorAll('#controls a')).at(-1)"
        name = browser.value(link + ".textContent")
        browser.value(link + ".click()")
        browser.value("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        host = "document.querySelector(':target').closest('details')"
        assert browser.value(host + ".querySelector('.title').textContent") == name
        assert browser.value(host + ".open && " + host + ".parentElement.closest('details').open")
        top = browser.value(host + ".querySelector('summary').getBoundingClientRect().top")
        assert 0 <= top < 900


def test_no_option_of_a_command_is_broken_and_none_can_be_markup():
    collector = type(fleet())()
    remedy = 'run --tags <b>-l</b> "-e" - -x=<i> --\n-v'
    collector.ok("a", CONTROL, {"mailops_controls": [control(0, "fail", "a", remedy=remedy)]})
    made = formats.render("html", build(collector, RUN, "x")).decode()
    assert (
        made.count(
            '<pre>run <span class="flag">--tags</span> &lt;b&gt;-l&lt;/b&gt; &#34;-e&#34; - -x=&lt;i&gt; --\n'
            '<span class="flag">-v</span></pre>'
        )
        == 2
    )


def test_what_fails_is_open_with_the_remedy_of_a_host_on_which_it_fails():
    collector = type(fleet())()
    for host, status in (("a", "pass"), ("b", "fail"), ("c", "fail")):
        collector.ok(host, CONTROL, {"mailops_controls": [control(0, status, host)]})
    made = formats.render("html", build(collector, RUN, "x")).decode()
    shown = made.partition('<section id="controls">')[2].partition("</section>")[0]
    assert '<details class="control" open>' in shown
    assert (
        '<dt>Remedy, on b</dt><dd><pre>ansible-playbook mailops.rescue.inspect <span class="flag">-l</span> b<' in shown
    )
    assert '<dt class="fail">Fail on</dt><dd><a href="#host-1"><code>b</code></a>, <a href="#host-2">' in shown
