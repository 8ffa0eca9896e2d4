# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run of qmail_catchall changed for extensions of users' addresses."""

__all__ = ["ExtensionChanges"]

import os

from ansible_collections.mailops.rescue.plugins.module_utils.mail.text import visible
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.hardening.extension_counts import ExtensionCounts
from ansible_collections.mailops.rescue.plugins.module_utils.scan.results import fitting

_MOST = 50
_SHOWN = 12 * 1024
_MEANING = (
    "Mail to extensions of users' addresses (joe-anything@) that the users have no .qmail file for vanishes, and its "
    "sender is not told."
)


class ExtensionChanges:
    """``first``: pairs of the first Extensions that changed, and their plans; ``state``: the option of that name."""

    def __init__(self, extensions, state, check_mode):
        self.changed_count = self.left_count = 0
        self.first = []
        self._extensions = extensions
        self._state = state
        # What the server says to these is asked while ours are away.
        self._counts_after = state == "suspended" and not check_mode
        self._counts = ExtensionCounts()
        self._left = []
        self._ours = 0

    def add(self, one, plan):
        """Note an Extension and its plan, as it came to be."""
        self._counts.add(one, plan.wanted if self._counts_after else None)
        self._ours += plan.action == "put" or one.is_ours
        if plan.action is not None:
            self.changed_count += 1
            if len(self.first) < _MOST:
                self.first.append((one, plan))
        # One that is not known is told as such.
        if plan.reason is not None and not one.is_unknown:
            self.left_count += 1
            if len(self._left) < _MOST:
                self._left.append("%s: left as it is: %s." % (_address(one), plan.reason))

    @property
    def notes(self):
        """A list of sentences."""
        notes = [_MEANING] if self._state == "present" and self._ours else []
        if self._state == "present" and self._extensions.incomplete:
            notes.append("%s." % self._extensions.incomplete)
        return notes + self._left

    def result(self):
        """Return the module's ``extensions``."""
        found = self._counts.result(self._extensions)
        changed = [
            {
                "extension": visible(os.fsdecode(one.beginning)),
                "user": visible(one.controller.user),
                "path": visible(one.path),
                "wanted": plan.wanted,
            }
            for one, plan in self.first
        ]
        found.update(changed=fitting(changed, _SHOWN), changed_count=self.changed_count, left_count=self.left_count)
        return found


def _address(one):
    return "%s\u2026@%s" % (os.fsdecode(one.beginning[len(one.chosen[0].prefix) :]), one.chosen[0].name)
