"""What nobody foresaw is told in a sentence, and reaches whoever reads the result."""

from types import SimpleNamespace

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.engines import mta_facts
from ansible_collections.mailops.rescue.plugins.module_utils.engines.unexpected import describe
from ansible_collections.mailops.rescue.plugins.module_utils.module_main import run_module


def test_a_sentence_names_the_type_and_the_place():
    try:
        memoryview("\x1b[2J\nx")
    except TypeError as error:
        said = describe(error)
    assert said.startswith("Unexpected TypeError in test_unexpected.py, line ")
    assert said.endswith("not 'str'. Please report this as a bug.")


def test_its_text_is_made_harmless():
    try:
        raise ValueError("\x1b[2J\n" + "x" * 5000)
    except ValueError as error:
        said = describe(error)
    assert "\x1b" not in said and "\n" not in said and len(said) < 500


class _Failed(Exception):
    pass


def test_a_module_fails_with_it():
    """With failed_when, ansible-core keeps `msg` of a module that fails, and nothing of one that just ends."""

    def fail_json(**result):
        raise _Failed(result)

    module = SimpleNamespace(params={}, fail_json=fail_json)
    with pytest.raises(_Failed) as raised:
        run_module(module, lambda params: memoryview("x"))
    result = raised.value.args[0]
    assert result["msg"].startswith("Unexpected TypeError in ") and "memoryview" in result["exception"]


def test_one_part_of_the_facts_that_breaks_hides_no_other():
    assert mta_facts._part(lambda: memoryview("x"))["error"].startswith("Unexpected TypeError in ")
