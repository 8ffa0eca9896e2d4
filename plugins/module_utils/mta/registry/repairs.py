# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What finds and repairs faults in queues, by MTA."""

__all__ = ["REPAIRS"]

from ansible_collections.mailops.rescue.plugins.module_utils.mta.table import Table
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.repairs import PostfixRepairs
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.repairs import QmailRepairs

REPAIRS = Table(QmailRepairs(), PostfixRepairs())
