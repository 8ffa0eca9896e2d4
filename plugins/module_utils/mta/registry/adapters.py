# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The MTAs that are known here."""

__all__ = ["ADAPTERS"]

from ansible_collections.mailops.rescue.plugins.module_utils.mta.table import Table
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.adapter import PostfixAdapter
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.adapter import QmailAdapter

ADAPTERS = Table(QmailAdapter(), PostfixAdapter())
