# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts queues for the watch, by MTA."""

__all__ = ["COUNTS"]

from ansible_collections.mailops.rescue.plugins.module_utils.mta.table import Table
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.counts import PostfixCounts
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue.counts import QmailCounts

COUNTS = Table(QmailCounts(), PostfixCounts())
