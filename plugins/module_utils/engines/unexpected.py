# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to tell of an exception that nobody foresaw: with failed_when, ansible-core drops the reason of a module that
just ends with one, and whoever reads the result would never learn it.
"""

__all__ = ["describe"]

import os
import traceback

from ansible_collections.mailops.rescue.plugins.module_utils.mail.text import shorten, visible


def describe(error):
    """Return a sentence about an exception that is being handled: its type, where it was raised, and its text."""
    frames = traceback.extract_tb(error.__traceback__)
    where = "%s, line %d" % (os.path.basename(frames[-1][0]), frames[-1][1]) if frames else "an unknown place"
    text = visible(shorten(" ".join(str(error).split()), 300)).rstrip(".")
    return "Unexpected %s in %s: %s. Please report this as a bug." % (type(error).__name__, where, text or "no text")
