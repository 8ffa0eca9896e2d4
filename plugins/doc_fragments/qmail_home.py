# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  home:
    description: qmail's home directory. By default the first of C(/var/qmail), C(/var/lib/qmail) and C(/var/indimail)
      that exists.
    type: path
"""
