# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Message headers, read from bytes that nobody has checked (RFC 5322, RFC 2047), in time linear in their length."""

__all__ = ["HEADER_LIMIT", "Headers", "decode_header"]

import base64
import binascii
import re
from functools import lru_cache
from typing import Iterator, Match, Optional

from ansible_collections.mailops.rescue.plugins.module_utils.mail.text import decode

# Postfix's header_size_limit; what a sender puts beyond it is not worth a reader's time.
HEADER_LIMIT = 102400
_VALUE_LIMIT = 4096
_BLANK = (b" ", b"\t")

# The header section ends before the first line that is neither a field nor the continuation of one.
# Two expressions, as one that may also begin at the start of the text is several times slower.
_LINE = rb"[!-9;-~]{1,200}[ \t]*:|[ \t]|>?From "
_BEGIN = re.compile(_LINE)
_END = re.compile(rb"\n(?!" + _LINE + rb")")
# What may become a field or a blank line with the bytes that follow.
_CUT = re.compile(rb"(?:[!-9;-~]{0,200}[ \t]*|\r)\Z")
_FOLD = re.compile(rb"\r?\n[ \t]+")
_WORD = re.compile(rb"=\?([!-)+->@-~]{1,60})(?:\*[!-)+->@-~]{0,60})?\?([bBqQ])\?([^?\s]*)\?=")
_Q_BYTE = re.compile(rb"=([0-9A-Fa-f]{2})")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]")

# Only these names become codecs: Python also has "zlib", "idna", "undefined" and others among its encodings.
_CODECS = {
    "utf8": "utf-8",
    "unicode11utf8": "utf-8",
    "utf7": "utf-7",
    "usascii": "cp1252",
    "ascii": "cp1252",
    "ansix341968": "cp1252",
    "latin1": "cp1252",
    "iso88591": "cp1252",
    "iso2022jp": "iso2022_jp_ext",
    "iso2022jp1": "iso2022_jp_ext",
    "iso2022jp2": "iso2022_jp_2",
    "iso2022jp3": "iso2022_jp_3",
    "iso2022jp2004": "iso2022_jp_2004",
    "csiso2022jp": "iso2022_jp_ext",
    "shiftjis": "cp932",
    "sjis": "cp932",
    "xsjis": "cp932",
    "mskanji": "cp932",
    "windows31j": "cp932",
    "cp932": "cp932",
    "eucjp": "euc_jp",
    "xeucjp": "euc_jp",
    "ujis": "euc_jp",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "gb18030": "gb18030",
    "cp936": "gb18030",
    "hzgb2312": "hz",
    "big5": "big5",
    "big5hkscs": "big5hkscs",
    "euckr": "cp949",
    "ksc56011987": "cp949",
    "ksc5601": "cp949",
    "cp949": "cp949",
    "iso2022kr": "iso2022_kr",
    "koi8r": "koi8-r",
    "koi8u": "koi8-u",
    "cp866": "cp866",
    "ibm866": "cp866",
    "macintosh": "mac-roman",
    "tis620": "iso8859-11",
    "windows874": "cp874",
}
_CODECS.update(("iso8859%d" % n, "iso8859-%d" % n) for n in range(2, 17) if n != 12)
_CODECS.update(("windows125%d" % n, "cp125%d" % n) for n in range(9))
_CODECS.update(("cp125%d" % n, "cp125%d" % n) for n in range(9))


class Headers:
    """The header section at the start of a message.

    ``raw`` is the section as bytes, ``body_offset`` where the body starts in what was given, and ``complete`` tells
    whether the end of the section was in it.
    """

    __slots__ = ("raw", "body_offset", "complete", "_lower")

    def __init__(self, data: bytes) -> None:
        """``data``: the first bytes of a message; beyond HEADER_LIMIT they do not count."""
        end = 0
        if _BEGIN.match(data):
            found = _END.search(data, 0, HEADER_LIMIT)
            end = found.end() if found else min(len(data), HEADER_LIMIT)
        body = end
        self.complete = end < len(data) or end == HEADER_LIMIT
        if data.startswith(b"\n", body):
            body += 1
        elif data.startswith(b"\r\n", body):
            body += 2
        elif len(data) < HEADER_LIMIT and _CUT.match(data, end):
            self.complete = False
        self.raw = data[:end]
        self.body_offset = body
        self._lower: Optional[bytes] = None

    def get(self, name: bytes) -> Optional[bytes]:
        """Return the unfolded value of the first field ``name`` (lower-case bytes) as bytes, or None.

        One that is written the usual way, as in "Subject:", comes before those that are not.
        """
        raw, usual = self.raw, name.title() + b":"
        if raw.startswith(usual):
            return self._value(len(usual))
        start = raw.find(b"\n" + usual)
        if start >= 0:
            return self._value(start + 1 + len(usual))
        start = self._find(name, 0)
        return self._value(start) if start >= 0 else None

    def first(self, name: bytes) -> Optional[bytes]:
        """Return the unfolded value of the field ``name`` that stands first, in whatever case; or None."""
        usual = name.title() + b":"
        if self.raw.startswith(usual):
            return self._value(len(usual))
        return next(self.all(name), None)

    def all(self, name: bytes) -> Iterator[bytes]:
        """Yield the unfolded values of the fields ``name`` (lower-case bytes), each cut to 4 KiB."""
        start = self._find(name, 0)
        while start >= 0:
            yield self._value(start)
            start = self._find(name, start)

    def _find(self, name: bytes, start: int) -> int:
        """Return where in ``raw`` the value of the next field ``name`` begins, or -1."""
        lower = self._lower
        if lower is None:
            lower = self._lower = b"\n" + self.raw.lower()
        needle = b"\n" + name
        start = lower.find(needle, start)
        while start >= 0:
            start += len(needle)
            after = lower[start : start + 1]
            while after in _BLANK:
                start += 1
                after = lower[start : start + 1]
            if after == b":":
                # Offsets in raw are one lower than in lower, which begins with a newline of its own.
                return start
            start = lower.find(needle, start)
        return -1

    def _value(self, start: int) -> bytes:
        raw = self.raw
        end = raw.find(b"\n", start)
        if start < end < start + _VALUE_LIMIT and raw[end + 1 : end + 2] not in _BLANK:
            return raw[start:end].strip()
        while end >= 0 and raw[end + 1 : end + 2] in (b" ", b"\t") and end - start < _VALUE_LIMIT:
            end = raw.find(b"\n", end + 1)
        value = raw[start : start + _VALUE_LIMIT if end < 0 else min(end, start + _VALUE_LIMIT)]
        if b"\n" in value:
            value = _FOLD.sub(b" ", value)
        return value.strip()

    def lines(self) -> Iterator[bytes]:
        """Yield every field as one unfolded line of bytes, without its line end."""
        for line in _FOLD.sub(b" ", self.raw).split(b"\n"):
            line = line.rstrip(b"\r")
            if line:
                yield line


def decode_header(raw: bytes) -> str:
    """Return the header value ``raw`` (bytes) as str, with its encoded words (RFC 2047) decoded; never fails.

    A charset that is not known to be one is guessed as for text without any.
    """
    if len(raw) > 1000:
        return _decode_header(raw)
    return _decode_short_header(raw)


def _decode_header(raw: bytes) -> str:
    if b"=?" not in raw:
        return decode(raw)
    parts = []
    charset, pending, end = None, bytearray(), 0
    for word in _WORD.finditer(raw):
        between = raw[end : word.start()]
        data = _word_bytes(word)
        if charset is not None and not between.strip():
            # A multibyte character may be split between two words of the same charset.
            if word.group(1).lower() == charset:
                pending += data
                end = word.end()
                continue
            between = b""
        if charset is not None:
            parts.append(_decode_as(charset, bytes(pending)))
        if between:
            parts.append(decode(between))
        charset, pending, end = word.group(1).lower(), bytearray(data), word.end()
    if charset is not None:
        parts.append(_decode_as(charset, bytes(pending)))
    parts.append(decode(raw[end:]))
    return "".join(parts)


# A flood repeats its subjects; the bound on what is kept is 1,024 values of at most 1,000 bytes.
_decode_short_header = lru_cache(maxsize=1024)(_decode_header)


def _word_bytes(word: Match[bytes]) -> bytes:
    data = word.group(3)
    if word.group(2) in b"qQ":
        return _Q_BYTE.sub(lambda m: bytes((int(m.group(1), 16),)), data.replace(b"_", b" "))
    data = _NOT_BASE64.sub(b"", data)
    if len(data) % 4 == 1:
        data = data[:-1]
    try:
        return base64.b64decode(data + b"=" * (-len(data) % 4))
    except binascii.Error:
        return word.group()


def _decode_as(charset: bytes, data: bytes) -> str:
    name = charset.decode("ascii").lower().replace("-", "").replace("_", "")
    codec = _CODECS.get(name)
    if codec is None:
        return decode(data)
    return data.decode(codec, "replace")
