# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What takes messages out of queues and puts them back, by MTA."""

__all__ = ["CHANGES"]

from ansible_collections.mailops.rescue.plugins.module_utils.mta.table import Table
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.changes import PostfixChanges
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.changes import QmailChanges

CHANGES = Table(QmailChanges(), PostfixChanges())
