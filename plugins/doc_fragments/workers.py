# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  workers:
    description:
      - Number of parallel processes.
      - V(0) starts one per processor core, at most three.
    type: int
    default: 0
"""
