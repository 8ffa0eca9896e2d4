"""The pages for developers name files that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PATH = re.compile(r"`((?:docs|molecule|playbooks|plugins|roles|scripts|tests)/[\w./-]+)`")


def missing(text):
    return [path for path in PATH.findall(text) if not (ROOT / path).exists()]


@pytest.mark.parametrize("page", ["docs/extending.md", "docs/internals.md"])
def test_files_that_a_page_names_exist(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    assert PATH.search(text)
    assert missing(text) == []


def test_a_file_that_does_not_exist_is_seen():
    assert missing("see `plugins/module_utils/nowhere.py`") == ["plugins/module_utils/nowhere.py"]
