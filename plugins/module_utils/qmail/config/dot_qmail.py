# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a .qmail file does with mail (qmail-local), and making vpopmail's delete what it would bounce."""

__all__ = [
    "BACKSCATTERS",
    "BOUNCES",
    "DEFAULT_DELIVERY",
    "DEFERS",
    "DISCARDS",
    "LARGEST",
    "Effect",
    "deleting",
    "effect_of",
    "runs_vdelivermail",
]

import re
from collections import namedtuple

# ``does``: a word or two for people; ``useful``: whether somebody may miss what it does.
Effect = namedtuple("Effect", "does useful")

LARGEST = 1 << 16

BOUNCES = Effect("bounces", False)
DISCARDS = Effect("discards", False)
# To whatever qmail-start was given as the usual delivery.
DEFAULT_DELIVERY = Effect("default delivery", True)
DEFERS = "defers"

_BY_VPOPMAIL = "vdelivermail "
_BOUNCE = b"bounce-no-mailbox"
# What is put off is bounced in the end.
BACKSCATTERS = (BOUNCES.does, DEFERS, _BY_VPOPMAIL + "bounce-no-mailbox")
_DELETE = b"delete"
_NO_WORD = (b"''", b'""')
_BOUNCING = re.compile(rb"\|\s*(?:\S*/)?(?:bouncesaying\s+(?:'[^']*'|\"[^\"$`\\]*\"|[\w.-]+)|exit\s+100)\s*\Z")
_SWALLOWING = re.compile(rb"\|\s*(?:(?:/usr)?/bin/)?(?:true|exit\s+(?:0|99)|cat\s*>\s*/dev/null)\s*\Z")


def effect_of(data, mode=0o644, forbidden=0o002):
    """Return the Effect of a .qmail file with these bytes and permissions.

    ``forbidden``: bits of the mode for which qmail-local puts off all mail (qmail's conf-patrn).
    """
    if not data:
        return Effect(DEFERS, True) if mode & forbidden else DEFAULT_DELIVERY
    lines = [line.rstrip(b" \t") for line in data.split(b"\n")]
    found = [effect for effect in map(_of_line, lines) if effect is not None]
    useful = any(one.useful for one in found)
    # An execute bit means that the file must only forward.
    forwards_only = mode & 0o100 and any(line[:1] in (b".", b"/", b"|") for line in lines)
    if mode & forbidden or forwards_only or not lines[0] or any(one.does == DEFERS for one in found):
        return Effect(DEFERS, useful)
    for test in (
        lambda one: one.does.startswith(_BY_VPOPMAIL),
        lambda one: one.useful,
        lambda one: one == BOUNCES,
    ):
        for one in found:
            if test(one):
                return one
    return DISCARDS


def _of_line(line):
    """Return the Effect of one line, None where it is a comment."""
    first = line[:1]
    if first in (b"", b"#"):
        return None
    if first in (b".", b"/"):
        # qmail-local syncs a mailbox, and Linux refuses to sync that one: every message is put off.
        return Effect(DEFERS, False) if line == b"/dev/null" else Effect("delivers", True)
    if first == b"|":
        return _of_program(line)
    if first == b"+":
        return None
    return Effect("forwards", True)


def _of_program(line):
    word = _last_word(line)
    if word is not None:
        if word in (_BOUNCE, _DELETE):
            return Effect(_BY_VPOPMAIL + word.decode("ascii"), False)
        return Effect(_BY_VPOPMAIL + "to a mailbox", True)
    if _BOUNCING.match(line):
        return BOUNCES
    if _SWALLOWING.match(line):
        return DISCARDS
    return Effect("runs a program", True)


def runs_vdelivermail(data):
    """Tell whether vpopmail delivers the mail, to its own mailboxes."""
    return any(_last_word(line) is not None for line in data.split(b"\n"))


def _last_word(line):
    """Return the word after ``vdelivermail ''`` that says what happens to mail for nobody; None in other lines."""
    words = line[1:].split()
    if line[:1] == b"|" and any(word.rpartition(b"/")[2] == b"vdelivermail" for word in words[:-1]):
        return words[-1]
    return None


def deleting(data):
    """Return ``data`` with the last word of vdelivermail made ``delete``, and all else as it is; None where it runs no
    vdelivermail, or not once, or without such a word."""
    found = [(number, _last_word(line)) for number, line in enumerate(data.split(b"\n"))]
    found = [(number, word) for number, word in found if word is not None]
    if len(found) != 1 or found[0][1] in _NO_WORD:
        return None
    number, word = found[0]
    lines = data.split(b"\n")
    at = lines[number].rindex(word)
    lines[number] = lines[number][:at] + _DELETE + lines[number][at + len(word) :]
    return b"\n".join(lines)
