"""What people read is free of words that stumble: docs, module documentation, role options and task names."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORDS = yaml.safe_load(Path(__file__).with_name("words.yml").read_text(encoding="utf-8"))
AVOIDED = [(re.compile(r"(?<![\w-])(?:%s)(?![\w-])" % word, re.IGNORECASE), instead) for word, instead in WORDS.items()]
# Output, code, options and reasons that the engine gives stand in these.
# Its task names belong to the checks that it still holds.
EXEMPT = {ROOT / "playbooks" / "harden.yml"}
QUOTED = re.compile(r"```.*?```|`[^`\n]*`|\*[^*\n]+\*|[A-Z]+\([^()]*\)", re.DOTALL)


def pages():
    yield from [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/*.md"), *ROOT.glob("roles/*/README.md")]


def described(value):
    """Yield the descriptions in a module's documentation."""
    if isinstance(value, list):
        for element in value:
            yield from described(element)
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key in ("description", "short_description", "notes", "details"):
                yield from [inner] if isinstance(inner, str) else inner
            elif key not in ("sample", "default"):
                yield from described(inner)


def documentation(path):
    for block in re.findall(r'= r"""\n(.*?)"""', path.read_text(encoding="utf-8"), re.DOTALL):
        yield from described(yaml.safe_load(block))


def names(value):
    """Yield the names of plays and tasks, and of those in blocks."""
    if isinstance(value, list):
        for element in value:
            yield from names(element)
    elif isinstance(value, dict):
        if isinstance(value.get("name"), str):
            yield value["name"]
        for key, inner in value.items():
            if key in ("tasks", "pre_tasks", "post_tasks", "block", "rescue", "always"):
                yield from names(inner)


def texts():
    """Yield ``(path, text)`` of all that is checked."""
    for path in pages():
        yield path, path.read_text(encoding="utf-8")
    for path in [*ROOT.glob("plugins/modules/*.py"), *ROOT.glob("plugins/doc_fragments/*.py")]:
        for text in documentation(path):
            yield path, text
    for path in ROOT.glob("roles/*/meta/argument_specs.yml"):
        for text in described(yaml.safe_load(path.read_text(encoding="utf-8"))):
            yield path, text
    for path in [*ROOT.glob("playbooks/*.yml"), *ROOT.glob("roles/*/tasks/*.yml")]:
        for text in names(yaml.safe_load(path.read_text(encoding="utf-8"))) if path not in EXEMPT else ():
            yield path, text


def stumbles(text):
    plain = " ".join(QUOTED.sub(" ", text).split())
    return ["%s (better: %s)" % (match[0], better) for word, better in AVOIDED for match in word.finditer(plain)]


def test_no_text_has_a_word_to_avoid():
    seen = list(texts())
    assert len(seen) > 500
    assert ["%s: %s" % (path.relative_to(ROOT), word) for path, text in seen for word in stumbles(text)] == []


@pytest.mark.parametrize("text", ["Mail to\n nobody is bounced.", "It finds out which.", "That is put off."])
def test_a_word_to_avoid_is_seen(text):
    assert stumbles(text)


@pytest.mark.parametrize("text", ["`allow_nobody` is set.", "O(allow_nobody) is set.", "*it is put off*"])
def test_what_is_quoted_is_not_checked(text):
    assert not stumbles(text)
