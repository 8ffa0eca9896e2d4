"""How a module ends."""

import json

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.module_main import run_module


class Ended(Exception):
    pass


class Module:
    """As much of AnsibleModule as run_module uses."""

    jsonify = staticmethod(json.dumps)

    def __init__(self, params=None):
        self.params = params or {}

    def fail_json(self, **result):
        raise Ended(dict(result, failed=True))

    def exit_json(self, **result):
        raise Ended(result)


def run(module, work):
    with pytest.raises(Ended) as caught:
        run_module(module, work)
    return caught.value.args[0]


def failing(error):
    def work(params):
        raise error

    return work


def test_result_and_options():
    assert run(Module({"a": 1}), lambda params: {"got": params["a"]}) == {"got": 1}


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (RescueError("select: no."), "select: no."),
        (OSError(5, "Input/output error", "/q/mess"), "/q/mess: Input/output error."),
        (OSError(5, "Input/output error"), "The host: Input/output error."),
        (OSError("odd"), "The host: odd."),
    ],
)
def test_error_is_a_sentence(error, sentence):
    assert run(Module(), failing(error)) == {"failed": True, "msg": sentence}


@pytest.mark.parametrize(("count", "left_out"), [(10, False), (5000, True)])
def test_long_invocation_does_not_come_back(count, left_out):
    result = run(Module({"select": {"ids": ["123456"] * count}}), lambda params: {})
    assert ("invocation" in result) is left_out
    assert len(json.dumps(result)) < 200


def test_error_in_the_program_itself_is_not_hidden():
    result = run(Module(), failing(ZeroDivisionError()))
    assert result["failed"]
    assert result["msg"].startswith("Unexpected ZeroDivisionError in ") and "Traceback" in result["exception"]
