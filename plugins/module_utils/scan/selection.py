# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The selection language: compiled once, tested on each message with no more of it read than that test needs."""

__all__ = ["Selection", "seconds"]

import difflib
import ipaddress
import math
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterable, List, Optional, Pattern, Sequence, Tuple, Union

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.mail.headers import decode_header
from ansible_collections.mailops.rescue.plugins.module_utils.mail.message import (
    BODY,
    ENVELOPE,
    HEADER,
    NAME,
    REASON,
    STAT,
    SUBJECT,
    Message,
)
from ansible_collections.mailops.rescue.plugins.module_utils.mail.text import decode

if TYPE_CHECKING:
    from typing import Protocol

    class Context(Protocol):
        """What a test may use. ``now``: in epoch seconds."""

        now: float

        def search(self, pattern: Pattern[str], text: str, option: str) -> bool: ...
        def search_body(self, patterns: Sequence[Pattern[str]], message: Message, option: str) -> bool: ...


# As users give them: keys of the language, and texts, numbers or lists of them.
Criteria = Dict[str, Any]
_Test = Callable[[Message, "Context"], bool]
# Fields of the message that a test needs, and the test.
_Step = Tuple[int, _Test]
_Compiler = Callable[[str, object, bool], _Step]
_Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

_AGE_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_SIZE_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_ORDER = (NAME, STAT, ENVELOPE, SUBJECT, HEADER, REASON, BODY)


class Selection:
    """Which messages are meant by ``select`` and ``exclude`` (dicts as users give them, or None).

    ``steps`` is a list of ``(fields, tests, exclusions)``, cheap ones first: a message is selected when all tests of
    all steps pass and not all exclusions of all steps do. A test is called with the message and a Context.
    ``needs`` is the union of all fields. Raises RescueError, naming the option, for what is not in the language.
    """

    def __init__(self, select: Optional[Criteria] = None, exclude: Optional[Criteria] = None) -> None:
        tests = _compile("select", select)
        exclusions = _compile("exclude", exclude)
        self.is_all = not tests and not exclusions
        self.excludes = bool(exclusions)
        self.steps: List[Tuple[int, List[_Test], List[_Test]]] = []
        self.needs = 0
        for fields in _ORDER:
            step = [test for need, test in tests if need == fields]
            unless = [test for need, test in exclusions if need == fields]
            if step or unless:
                self.steps.append((fields, step, unless))
                self.needs |= fields
        self._queues = [
            (option, name)
            for option, given in (("select", select), ("exclude", exclude))
            if given and "queue" in given
            for name in _list(option + ".queue", given["queue"])
        ]

    def check_queues(self, names: Sequence[str]) -> None:
        """Raise RescueError where a selected queue is none of ``names``."""
        for option, name in self._queues:
            if name not in names:
                raise RescueError(
                    "%s.queue: there is no queue %r here%s; the queues are %s."
                    % (option, name, _nearest(name, names), ", ".join(names))
                )

    def test(self, message: Message, context: "Context", load: Callable[[Message, int], None]) -> bool:
        """Tell whether ``message`` is selected; ``load(message, fields)`` is called before a step that needs them."""
        excluded = self.excludes
        for fields, tests, exclusions in self.steps:
            if not tests and not excluded:
                continue
            if fields:
                load(message, fields)
            for test in tests:
                if not test(message, context):
                    return False
            if excluded:
                for test in exclusions:
                    if not test(message, context):
                        excluded = False
                        break
        return not excluded


def _compile(option: str, given: Optional[Criteria]) -> List[_Step]:
    """Return [(fields, test)] for one of the two dicts."""
    if given is None:
        return []
    if not isinstance(given, dict):
        raise RescueError("%s: expected a dictionary of criteria such as {sender: ...}, got %r." % (option, given))
    ignore_case = _bool(option + ".ignore_case", given.get("ignore_case", True))
    compiled = []
    for key, value in given.items():
        if key == "ignore_case":
            continue
        if key not in _KEYS:
            raise RescueError(
                "%s.%s: there is no such key%s; the keys are %s."
                % (option, key, _nearest(str(key), _KEYS), ", ".join(sorted(list(_KEYS) + ["ignore_case"])))
            )
        compiled.append(_KEYS[key]("%s.%s" % (option, key), value, ignore_case))
    for low, high, parse in (("older_than", "newer_than", _age), ("larger_than", "smaller_than", _size)):
        if low in given and high in given and parse(option, given[low]) >= parse(option, given[high]):
            raise RescueError(
                "%s: nothing can be %s %s and %s %s."
                % (option, low.replace("_", " "), given[low], high.replace("_", " "), given[high])
            )
    return compiled


def _nearest(name: str, names: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(names), 1)
    return " (did you mean %s?)" % close[0] if close else ""


def _list(option: str, value: object) -> List[str]:
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    if not values:
        raise RescueError("%s: expected at least one value, got an empty list." % option)
    for one in values:
        if one is None or isinstance(one, (dict, list, tuple, bool)):
            raise RescueError("%s: expected a text or a list of texts, got %r." % (option, one))
    return [one if isinstance(one, str) else str(one) for one in values]


def _bool(option: str, value: object) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).lower()
    if text in ("true", "yes", "on", "1"):
        return True
    if text in ("false", "no", "off", "0"):
        return False
    raise RescueError("%s: expected true or false, got %r." % (option, value))


def _quantity(option: str, value: object, units: Dict[str, int], kind: str, example: str) -> float:
    match = re.match(r"(\d{1,15}(?:\.\d{1,9})?) ?([a-z]?)\Z", str(value).strip().lower())
    if isinstance(value, bool) or not match or match.group(2) not in units:
        raise RescueError("%s: expected %s such as %s, got %r." % (option, kind, example, value))
    return float(match.group(1)) * units[match.group(2)]


def seconds(option: str, value: object) -> float:
    """Return an age such as 2h in seconds; RescueError, naming the option, where it is none."""
    return _age(option, value)


def _age(option: str, value: object) -> float:
    return _quantity(option, value, _AGE_UNITS, "an age", "90s, 15m, 2h, 7d or 1w")


def _size(option: str, value: object) -> float:
    return _quantity(option, value, _SIZE_UNITS, "a size", "500, 10k, 5M or 1G")


def _patterns(option: str, value: object, ignore_case: bool) -> List[Pattern[str]]:
    flags = re.MULTILINE | (re.IGNORECASE if ignore_case else 0)
    patterns = []
    for text in _list(option, value):
        if not text:
            hint = " The null sender is written <>." if option.endswith(".sender") else ""
            raise RescueError("%s: an empty expression would match everything.%s" % (option, hint))
        if option.endswith(".sender") and text in ("<>", "^<>$"):
            text = r"\A\Z"
        try:
            patterns.append(re.compile(text, flags))
        except (re.error, OverflowError, RecursionError, ValueError) as error:
            raise RescueError("%s: %r is not a regular expression: %s." % (option, text, error)) from None
    return patterns


def _texts(fields: int, texts: Callable[[Message], Iterable[str]]) -> _Compiler:
    """Return a compiler for a key of expressions, of which one must be found in one of ``texts(message)``."""

    def compiler(option: str, value: object, ignore_case: bool) -> _Step:
        patterns = _patterns(option, value, ignore_case)

        def test(message: Message, context: "Context") -> bool:
            for text in texts(message):
                for pattern in patterns:
                    if context.search(pattern, text, option):
                        return True
            return False

        return fields, test

    return compiler


def _sender_texts(message: Message) -> Iterable[str]:
    if message.sender is None:
        return ()
    return (decode(message.sender),)


def _recipient_texts(message: Message) -> Iterable[str]:
    return (decode(one.address) for one in message.recipients if not one.done)


def _subject_texts(message: Message) -> Iterable[str]:
    value = message.subject()
    return () if value is None else (decode_header(value),)


def _header_texts(message: Message) -> Iterable[str]:
    return () if message.headers is None else map(decode_header, message.headers.lines())


def _reason_texts(message: Message) -> Iterable[str]:
    return map(decode, (message.reasons or {}).values())


def _body(option: str, value: object, ignore_case: bool) -> _Step:
    patterns = _patterns(option, value, ignore_case)

    def test(message: Message, context: "Context") -> bool:
        return context.search_body(patterns, message, option)

    return BODY, test


def _ids(option: str, value: object, ignore_case: bool) -> _Step:
    ids = frozenset(_list(option, value))
    return NAME, lambda message, context: message.id in ids


def _queues(option: str, value: object, ignore_case: bool) -> _Step:
    names = frozenset(_list(option, value))
    return NAME, lambda message, context: not names.isdisjoint(message.queues)


def _bounce(option: str, value: object, ignore_case: bool) -> _Step:
    wanted = _bool(option, value)
    return SUBJECT, lambda message, context: (message.bounced is not None) is wanted


def _sasl(option: str, value: object, ignore_case: bool) -> _Step:
    names = frozenset(one.lower() for one in _list(option, value))

    def test(message: Message, context: "Context") -> bool:
        return message.sasl_username is not None and decode(message.sasl_username).lower() in names

    return SUBJECT, test


def _without_mapping(network: _Network) -> _Network:
    """Return the IPv4 network that one of mapped addresses (::ffff:192.0.2.7) stands for; others as they are."""
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is None or network.prefixlen < 96:
        return network
    return ipaddress.ip_network("%s/%d" % (mapped, network.prefixlen - 96))


def _client(option: str, value: object, ignore_case: bool) -> _Step:
    networks = []
    for text in _list(option, value):
        try:
            networks.append(_without_mapping(ipaddress.ip_network(text.strip().strip("[]"), strict=False)))
        except ValueError:
            raise RescueError(
                "%s: expected an IPv4 or IPv6 address or network such as 192.0.2.7 or 2001:db8::/32, got %r."
                % (option, text)
            ) from None

    @lru_cache(maxsize=4096)
    def inside(raw: bytes) -> bool:
        try:
            address = ipaddress.ip_address(raw.decode("ascii"))
        except ValueError:
            return False
        address = getattr(address, "ipv4_mapped", None) or address
        return any(address in network for network in networks)

    return SUBJECT, lambda message, context: message.client_address is not None and inside(message.client_address)


def _uid(option: str, value: object, ignore_case: bool) -> _Step:
    uids = set()
    for text in _list(option, value):
        if not re.match(r"\d{1,10}\Z", text):
            raise RescueError("%s: expected a numeric user id such as 33, got %r." % (option, text))
        uids.add(int(text))
    return SUBJECT, lambda message, context: message.origin_uid in uids


def _older(option: str, value: object, ignore_case: bool) -> _Step:
    age = _age(option, value)
    return STAT, lambda message, context: message.arrival is not None and context.now - message.arrival > age


def _newer(option: str, value: object, ignore_case: bool) -> _Step:
    age = _age(option, value)
    return STAT, lambda message, context: message.arrival is not None and context.now - message.arrival < age


def _larger(option: str, value: object, ignore_case: bool) -> _Step:
    size = _size(option, value)
    return STAT, lambda message, context: (message.size or 0) > size


def _smaller(option: str, value: object, ignore_case: bool) -> _Step:
    size = _size(option, value)
    return STAT, lambda message, context: (message.size if message.size is not None else math.inf) < size


_KEYS: Dict[str, _Compiler] = {
    "ids": _ids,
    "queue": _queues,
    "sender": _texts(ENVELOPE, _sender_texts),
    "recipient": _texts(ENVELOPE, _recipient_texts),
    "subject": _texts(SUBJECT, _subject_texts),
    "header": _texts(HEADER, _header_texts),
    "body": _body,
    "bounce": _bounce,
    "sasl_username": _sasl,
    "client_address": _client,
    "origin_uid": _uid,
    "delay_reason": _texts(REASON, _reason_texts),
    "older_than": _older,
    "newer_than": _newer,
    "larger_than": _larger,
    "smaller_than": _smaller,
}
