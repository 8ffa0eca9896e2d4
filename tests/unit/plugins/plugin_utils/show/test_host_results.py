from __future__ import annotations

import pytest

from ansible_collections.mailops.rescue.plugins.plugin_utils.show.host_results import MAX_REASON, failure, plain
from tests.unit.plugins.plugin_utils.results import result


class Text(str):
    def __str__(self):
        raise AssertionError("asked to render itself")

    __format__ = __repr__ = __iter__ = __str__


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (result(5), None),
        (None, "no result: the host took no part in this run"),
        ("text", "no result: the host took no part in this run"),
        (
            {"skipped": True, "skip_reason": "Conditional result was False"},
            "no result: Conditional result was False",
        ),
        ({"failed": True}, "failed without a message"),
        ({"failed": True, "msg": "Task failed: Module failed: one\n  two"}, "one two"),
        (
            {"unreachable": True, "msg": "Failed to connect to the host via ssh: ssh: Connection refused"},
            "unreachable: ssh: Connection refused",
        ),
        (
            {
                "failed": True,
                "msg": "MODULE FAILURE\nSee stdout/stderr",
                "module_stderr": "/bin/sh: python3: not found\n\n",
            },
            "MODULE FAILURE See stdout/stderr: /bin/sh: python3: not found",
        ),
        (
            {
                "unreachable": True,
                "msg": 'Task failed: Data could not be sent to remote host "192.0.2.1". '
                "Make sure this host can be reached over ssh: ssh: Connection refused",
            },
            "unreachable: ssh: Connection refused",
        ),
        # Partly read is not read.
        (result(5, failed=True, msg="lost the connection"), "lost the connection"),
    ],
)
def test_failure(given, reason):
    assert failure(given) == reason


@pytest.mark.parametrize(
    "wrong",
    [
        {"counts": {}},
        {"counts": {"total": "5", "matched": 5, "bytes": 5}},
        {"counts": {"total": -5, "matched": 5, "bytes": 5}},
        {"oldest": {"age": "old"}},
        {"newest": "x"},
        {"age_histogram": [{"from": 0, "to": 5}]},
        {"age_histogram": "x"},
        {"top": {"sender": [{"value": {}, "count": 1}]}},
        {"top": {"sender": [{"value": "a", "count": "1"}]}},
        {"top": {"sasl_username": [{"value": 1000, "count": 5}]}},
        {"top": {"origin_uid": [{"value": "1000", "count": 5}]}},
        {"top_errors": ["sender"]},
        {"undecided": ["x"]},
        {"top": ["x"]},
        {"bounces": "many"},
        {"damaged": ["x"]},
        {"queues": [{}]},
        {"version": {}},
        {"messages": [{}]},
        {"messages": 5},
    ],
)
def test_an_answer_of_another_shape_is_no_result(wrong):
    assert failure(dict(result(5), **wrong)) == "its answer is not what queue_info returns"


def test_a_reason_is_one_line_of_bounded_length():
    assert len(failure({"failed": True, "msg": "x y" * 100000})) <= MAX_REASON


def test_plain_leaves_no_subclass_and_runs_none_of_its_code():
    made = plain({Text("key"): [Text("{{ 1 }}"), (1, 2.5, None, True), b"\xff"]})
    assert made == {"key": ["{{ 1 }}", [1, 2.5, None, True], "\\xff"]}
    assert [type(key) for key in made] == [str]
    assert type(made["key"][0]) is str
