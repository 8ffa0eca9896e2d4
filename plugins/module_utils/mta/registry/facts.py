# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tells a compliance run about an MTA, by MTA."""

__all__ = ["FACTS"]

from ansible_collections.mailops.rescue.plugins.module_utils.mta.table import Table
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.facts import PostfixFacts
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.facts import QmailFacts

FACTS = Table(QmailFacts(), PostfixFacts())
