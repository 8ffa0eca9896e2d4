# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many extensions of users' addresses bounce what comes in for nobody, and the first of them."""

__all__ = ["ExtensionCounts"]

import os
import re
import uuid

from ansible_collections.mailops.rescue.plugins.module_utils.mail.text import visible
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.config import dot_qmail
from ansible_collections.mailops.rescue.plugins.module_utils.scan.results import fitting

_MOST = 50
_SHOWN = 12 * 1024
# What smtp_probe takes as a recipient.
_ADDRESS = re.compile(r"[!-;=?-~]{1,320}\Z")
# In one session with the other addresses; servers get slow upon many refusals.
_MOST_ADDRESSES = 6
_MOST_EACH_DOMAIN = 3


class ExtensionCounts:
    """Counts of Extensions that were looked at; ``recipients``: addresses made up in the first that bounce."""

    def __init__(self):
        self.count = self.open_count = self.unknown_count = 0
        self.open, self.unknown, self.recipients = [], [], []
        self._asked = {}

    def add(self, one, does=None):
        """``does``: what becomes of the mail, where that is not what ``one`` (an Extension) found."""
        self.count += 1
        does = one.does if does is None else does
        if one.is_unknown:
            self.add_unknown("%s: %s" % (os.fsdecode(one.beginning), one.problem))
        elif does in dot_qmail.BACKSCATTERS:
            self.open_count += 1
            if len(self.open) < _MOST:
                self.open.append(_entry(one, does))
            self._ask(one)

    def add_unknown(self, sentence):
        """Count one that could not be looked at."""
        self.unknown_count += 1
        if len(self.unknown) < _MOST:
            self.unknown.append(visible(sentence))

    def result(self, extensions):
        """Return them as a dict; ``extensions``: the Extensions that they were taken of."""
        for path, reason in sorted(extensions.unreachable.items()):
            self.add_unknown("%s: %s" % (path, reason))
        return {
            "count": self.count,
            "open_count": self.open_count,
            "open": fitting(self.open, _SHOWN),
            "unknown_count": self.unknown_count,
            "unknown": fitting(self.unknown, _SHOWN),
            "incomplete": extensions.incomplete,
            "recipients": self.recipients,
        }

    def _ask(self, one):
        if len(self.recipients) == _MOST_ADDRESSES:
            return
        for domain, address in one.addresses("mailopsprobe" + uuid.uuid4().hex[:12]):
            asked = self._asked.get(domain, 0)
            if asked < _MOST_EACH_DOMAIN and len(self.recipients) < _MOST_ADDRESSES and _ADDRESS.match(address):
                self._asked[domain] = asked + 1
                self.recipients.append(address)


def _entry(one, does):
    path = os.path.join(one.controller.home, one.force or one.name)
    return {
        "extension": visible(os.fsdecode(one.beginning)),
        "user": visible(one.controller.user),
        "domain": visible(one.chosen[0].name),
        "does": does,
        "path": visible(path),
        "reason": visible(one.reason) if one.reason else None,
    }
