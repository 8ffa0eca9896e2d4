# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A report as monitoring plugins for Nagios and Icinga answer; the plugin itself, which stands alone, makes that."""

from __future__ import annotations

from ansible_collections.mailops.rescue.plugins.plugin_utils.report.check import render

__all__ = ["render"]
