"""Selections as a hurried or hostile user might write them: an error in words, or one that can be tested."""

__all__ = ["garbage"]

import random
import re
import time
import warnings

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.mail.headers import Headers
from ansible_collections.mailops.rescue.plugins.module_utils.mail.message import Message
from ansible_collections.mailops.rescue.plugins.module_utils.scan.scan import Context
from ansible_collections.mailops.rescue.plugins.module_utils.scan.selection import _KEYS, Selection
from ansible_collections.mailops.rescue.plugins.module_utils.scan.time_limit import PatternTimeout, TimeLimit

from .failure import SECONDS, Failure

KEYS = [*_KEYS, "ignore_case", "subjet", "", "Sender", 5, None]
PIECES = [
    "a",
    "b",
    ".",
    "*",
    "+",
    "?",
    "^",
    "$",
    "|",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "\\",
    "\\d",
    "\\b",
    "\\Z",
    "\\A",
    "(?i)",
    "(?a)",
    "(?u)",
    "(?L)",
    "(?x)",
    "(?s)",
    "(?=",
    "(?!",
    "(?<=",
    "(?<!",
    "(?:",
    "(?P<n>",
    "(?P=n)",
    "\\1",
    "{2}",
    "{1,}",
    "{99999999999}",
    "{4294967295}",
    "{65536}",
    "\0",
    "é",
    "請",
    "\ud800",
    "\U0010ffff",
    "-",
    ",",
    "[^",
    "[[:alpha:]]",
    "\\N{DIGIT ONE}",
    "\\N{no}",
    "\\x",
    "\\u0041",
    "\\777",
    "(?#",
    "(?(1)",
    "<>",
    "7d",
    "10k",
    "1",
    "-1",
    "0x5",
    "1e400",
    "nan",
    "٣",
    "192.0.2.1",
    "/24",
    "/99",
    "::1",
    "%eth0",
    "2001:db8::/32",
    "true",
    "no",
    " ",
    "\n",
]
RAW = b"Subject: =?utf-8?q?abc?= 1\nFrom: a@example.com\n\na body\nof 2 lines\n"


def _value(dice, depth=0):
    kind = dice.randrange(12)
    if kind < 7:
        return "".join(dice.choice(PIECES) for _number in range(dice.choice((0, 1, 1, 1, 2, 2, 3, 5, 12))))
    if kind == 7 and depth < 3:
        return [_value(dice, depth + 1) for _number in range(dice.randrange(4))]
    if kind == 8:
        return dice.choice((0, 1, -1, 10**30, 3.5, float("inf"), float("nan"), 1e300, -0.0))
    if kind == 9:
        return dice.choice((True, False, None))
    if kind == 10:
        return dice.choice(({}, {"a": 1}, (), ("a",), b"bytes", {1, 2}, object()))
    return dice.choice(("7d", "10k", "a+", "192.0.2.0/24", "33"))


def _given(dice):
    if dice.random() < 0.05:
        return _value(dice)
    return {dice.choice(KEYS): _value(dice) for _number in range(dice.choice((0, 1, 1, 1, 2, 3, 5)))}


class _Reader:
    @staticmethod
    def body(message):
        yield RAW


def _message():
    message = Message(0, "1", "remote")
    message.headers, message.sender, message.size, message.arrival = Headers(RAW), b"", 100, 5.0
    message.reasons, message.client_address, message.sasl_username = {b"a": b"later"}, b"192.0.2.1", b"user"
    return message


def garbage(inputs, seed):
    """Try ``inputs`` selections; return the longest time that one took. Raises Failure."""
    dice = random.Random("selects %s" % seed)
    message, longest = _message(), 0.0
    with TimeLimit(0.5) as limit, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context = Context(10, _Reader(), limit)
        for number in range(inputs):
            select, exclude = _given(dice), _given(dice) if dice.random() < 0.3 else None
            where = "selects, seed %s, input %d" % (seed, number)
            began = time.process_time()
            try:
                _try(select, exclude, message, context, limit)
            except Exception as error:
                raise Failure("%s: %r: %r, %r" % (where, error, select, exclude)) from error
            took = time.process_time() - began
            if took > SECONDS:
                raise Failure("%s took %.1f s: %r, %r" % (where, took, select, exclude))
            longest = max(longest, took)
            if number % 500 == 0:
                re.purge()
    return longest


def _try(select, exclude, message, context, limit):
    try:
        selection = Selection(select, exclude)
    except RescueError as error:
        assert str(error).startswith(("select", "exclude")), error
        return
    limit.begin()
    try:
        assert selection.test(message, context, lambda message, fields: None) in (True, False)
    except PatternTimeout as error:
        assert str(error).startswith(("select", "exclude")), error
