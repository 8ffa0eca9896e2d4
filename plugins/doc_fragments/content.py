# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  content:
    description:
      - How much of each returned message to show.
      - V(headers) adds the header section, V(message) the header section and the body.
    type: str
    choices: [none, headers, message]
    default: none
  content_bytes:
    description: Maximum number of bytes to show of each returned message when O(content) is not V(none).
    type: int
    default: 2048
"""
