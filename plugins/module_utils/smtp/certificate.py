# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in an X.509 certificate. Python tells that only of one that was verified, which few mail servers' are."""

__all__ = ["describe"]

import datetime
from typing import Any, Dict, List, Tuple

from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged
from ansible_collections.mailops.rescue.plugins.module_utils.mail.text import decode, shorten, visible

_LARGEST = 65536
_MOST_ATTRIBUTES = 20
_MOST_NAMES = 20
_LONGEST_NAME = 200
_SEQUENCE, _SET, _OID, _OCTETS, _BMP = 0x30, 0x31, 0x06, 0x04, 0x1E
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18
_VERSION, _EXTENSIONS, _DNS_NAME = 0xA0, 0xA3, 0x82
_SUBJECT_ALT_NAME = b"\x55\x1d\x11"
_ATTRIBUTES = {
    b"\x55\x04\x03": "CN",
    b"\x55\x04\x06": "C",
    b"\x55\x04\x07": "L",
    b"\x55\x04\x08": "ST",
    b"\x55\x04\x0a": "O",
    b"\x55\x04\x0b": "OU",
    b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01": "emailAddress",
}


# Tag and content of a DER value.
_Value = Tuple[int, bytes]


def describe(der: bytes, now: datetime.datetime) -> Dict[str, Any]:
    """Return a dict of what is in the certificate ``der``; ``now``: a time with zone. Raises Damaged."""
    if len(der) > _LARGEST:
        raise Damaged("it is larger than %d bytes" % _LARGEST)
    (certificate,) = _first(_children(der), 1)
    parts = _children(_first(_children(_is(certificate, _SEQUENCE)), 1)[0][1])
    if parts and parts[0][0] == _VERSION:
        parts = parts[1:]
    _serial, _algorithm, issuer, validity, subject = _first(parts, 5)
    begins, ends = (_time(*value) for value in _first(_children(_is(validity, _SEQUENCE)), 2))
    return {
        "subject": _name(subject),
        "issuer": _name(issuer),
        "names": _dns_names(parts[5:]),
        "not_before": begins.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "not_after": ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "days_left": (ends - now).days,
    }


def _children(data: bytes) -> List[_Value]:
    """Return ``data``, a row of DER values, as ``[(tag, content)]``."""
    values: List[_Value] = []
    at = 0
    while at < len(data):
        if at + 2 > len(data):
            raise Damaged("a value is cut off")
        tag, length = data[at], data[at + 1]
        at += 2
        if tag & 0x1F == 0x1F:
            raise Damaged("a tag is too long")
        if length & 0x80:
            octets = length & 0x7F
            if not 1 <= octets <= 4 or at + octets > len(data):
                raise Damaged("a length is wrong")
            length = int.from_bytes(data[at : at + octets], "big")
            at += octets
        if at + length > len(data):
            raise Damaged("a value is cut off")
        values.append((tag, data[at : at + length]))
        at += length
    return values


def _first(values: List[_Value], count: int) -> List[_Value]:
    if len(values) < count:
        raise Damaged("a value is missing")
    return values[:count]


def _is(value: _Value, tag: int) -> bytes:
    if value[0] != tag:
        raise Damaged("a value is of another kind")
    return value[1]


def _time(tag: int, raw: bytes) -> datetime.datetime:
    try:
        text = raw.decode("ascii")
        if tag == _UTC_TIME:
            # RFC 5280: two digits mean 1950 to 2049.
            text = ("19" if int(text[:2]) >= 50 else "20") + text
        elif tag != _GENERALIZED_TIME:
            raise ValueError
        form = "%Y%m%d%H%M%SZ" if len(text) == 15 else "%Y%m%d%H%MZ"
        return datetime.datetime.strptime(text, form).replace(tzinfo=datetime.timezone.utc)
    except ValueError:
        raise Damaged("a date cannot be read") from None


def _name(value: _Value) -> str:
    """Return a distinguished name as text, such as ``CN=mail.example.com, O=Example``."""
    found = []
    for tag, row in _children(_is(value, _SEQUENCE))[:_MOST_ATTRIBUTES]:
        for pair in _children(_is((tag, row), _SET))[:_MOST_ATTRIBUTES]:
            kind, text = _first(_children(_is(pair, _SEQUENCE)), 2)
            found.append("%s=%s" % (_ATTRIBUTES.get(_is(kind, _OID), "?"), _text(*text)))
    return shorten(", ".join(found[:_MOST_ATTRIBUTES]), 2 * _LONGEST_NAME)


def _text(tag: int, raw: bytes) -> str:
    raw = raw[: 4 * _LONGEST_NAME]
    return shorten(visible(raw.decode("utf-16-be", "replace") if tag == _BMP else decode(raw)), _LONGEST_NAME)


def _dns_names(parts: List[_Value]) -> List[str]:
    found: List[str] = []
    for tag, content in parts:
        if tag != _EXTENSIONS:
            continue
        for extension in _children(_is(_first(_children(content), 1)[0], _SEQUENCE)):
            fields = _first(_children(_is(extension, _SEQUENCE)), 2)
            if fields[0] == (_OID, _SUBJECT_ALT_NAME):
                (names,) = _first(_children(_is(fields[-1], _OCTETS)), 1)
                found += [_text(*name) for name in _children(_is(names, _SEQUENCE)) if name[0] == _DNS_NAME]
    return found[:_MOST_NAMES]
