import pytest

from ansible_collections.mailops.rescue.plugins.plugin_utils.findings.company import others_selected
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.change_results import Changes
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.changes import show_plan
from tests.unit.plugins.plugin_utils.results import result
from tests.unit.plugins.plugin_utils.show.test_changes import PLANNED


def logins(*counts):
    return {"sasl_username": {"u%02d@example.com" % number: count for number, count in enumerate(counts)}}


@pytest.mark.parametrize(
    ("matched", "top", "phrases"),
    [
        (100, logins(100), []),
        (100, logins(88, 6, 4, 2), ["3 other logins (12 messages)"]),
        (100, logins(99, 1), ["1 other login (1 message)"]),
        (100, logins(90), ["10 messages without a login"]),
        (100, logins(80, 5), ["1 other login (5 messages)", "15 messages without a login"]),
        # The list ends there: nobody knows what more there is.
        (1000, logins(900, *[2] * 9), ["at least 9 other logins (18 messages or more)"]),
        (918, logins(900, *[2] * 9), ["9 other logins (18 messages)"]),
        # A client or a subject that a few logins share, none of which stands out.
        (90, logins(30, 30, 30), ["2 other logins (60 messages)"]),
        (100, {"origin_uid": {33: 97, 1001: 3}}, ["1 other local uid (3 messages)"]),
        (100, {"sender": {"": 90, "shop@example.com": 10}}, ["1 other sender (10 messages)"]),
        # Made-up senders of a flood.
        (100, {"sender": {"a@example.com": 2, "b@example.com": 1}}, []),
        (100, {}, []),
    ],
)
def test_what_else_is_in_a_selection(matched, top, phrases):
    assert others_selected(result(matched, top=top)) == phrases


def test_a_shorter_list_that_was_asked_for_ends_earlier():
    read = dict(result(100, top=logins(50, 5, 3)), invocation={"module_args": {"top": 3}})
    assert others_selected(read) == ["at least 2 other logins (8 messages or more)"]


@pytest.mark.parametrize("invocation", ["x", {"module_args": "x"}, {"module_args": {"top": "x"}}])
def test_arguments_of_another_shape_are_not_looked_at(invocation):
    read = dict(result(100, top=logins(50, 5, 3)), invocation=invocation)
    assert others_selected(read) == ["2 other logins (8 messages)", "42 messages without a login"]


def test_the_plan_says_it():
    text = show_plan(Changes("purge", {"mx1": PLANNED}), {"mx1": result(1996, top=logins(1984, 6, 4, 2))}, False)
    assert "Also in this selection: 3 other logins (12 messages)." in text
