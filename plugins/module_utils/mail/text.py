# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text from strangers: decoding bytes of unknown encoding, and showing the result without harm."""

__all__ = ["decode", "shorten", "visible"]

import re
from typing import Match, Optional

# C0, DEL and C1 drive terminals; the others reorder, hide or join what stands around them.
_UNSAFE = (
    "\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202f\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_ANY_UNSAFE = re.compile("[%s]" % _UNSAFE)
_UNSAFE_BUT_LINES = re.compile("(?![\t\n])[%s]" % _UNSAFE)
_CJK_PAIR = re.compile("[\u3041-\u30ff\u4e00-\u9fff]{2}")
_NOT_ASCII = re.compile("[^\x00-\x7f]")
_CUT = ("unexpected end of data", "incomplete multibyte sequence")
_HALF_KANA = re.compile("[\uff61-\uff9f]")


def _escape(match: Match[str]) -> str:
    code = ord(match.group())
    if code < 0x100:
        return "\\x%02x" % code
    return "\\u%04x" % code if code < 0x10000 else "\\U%08x" % code


def visible(text: str, lines: bool = False) -> str:
    r"""Return str ``text`` with every control, bidi and invisible character as an escape such as ``\x1b``.

    With ``lines``, tabs and newlines stay.
    """
    return (_UNSAFE_BUT_LINES if lines else _ANY_UNSAFE).sub(_escape, text)


def shorten(text: str, length: int) -> str:
    """Return ``text``, cut to ``length`` characters with an ellipsis as the last one where it is longer."""
    return text if len(text) <= length else text[: length - 1] + "\u2026"


def decode(raw: bytes) -> str:
    """Return bytes ``raw`` of unknown encoding as str; never fails.

    Tried in turn: UTF-8, ISO-2022-JP, EUC-JP, Shift_JIS, Windows-1252, ISO 8859-1. Text in one of the first four may
    be cut within its last character.
    """
    text = _decode_cut(raw, "utf-8")
    if text is None:
        return _decode_8bit(raw)
    if b"\x1b$" in raw or b"\x1b(" in raw:
        found = _decode_cut(raw, "iso2022_jp_ext")
        if found is not None:
            return found
    return text


def _decode_cut(raw: bytes, codec: str) -> Optional[str]:
    """Return ``raw`` decoded, or None where it is not in ``codec``."""
    try:
        return raw.decode(codec)
    except UnicodeDecodeError as error:
        if error.reason in _CUT:
            text = raw[: error.start].decode(codec)
            # Where this were the only such character, its bytes would as well be something else.
            if _NOT_ASCII.search(text):
                return text + "\ufffd"
        return None


def _decode_8bit(raw: bytes) -> str:
    for codec in ("euc_jp", "cp932"):
        text = _decode_cut(raw, codec)
        if text is None:
            continue
        # A lone accented letter and what follows it can pass for one Japanese character, but hardly for two.
        if _CJK_PAIR.search(text) and len(_HALF_KANA.findall(text)) * 2 < len(text):
            return text
    try:
        return raw.decode("cp1252")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
