# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


class ModuleDocFragment:
    # What a module that changes something promises; it may add details.
    DOCUMENTATION = r"""
attributes:
  check_mode:
    description: Can run in check mode and returns what it would do, without changing anything.
    support: full
  diff_mode:
    description: Returns what changed, or what would change in check mode, when run in diff mode.
    support: none
"""

    READ_ONLY = r"""
attributes:
  check_mode:
    description: Can run in check mode and returns the same result.
    support: full
  diff_mode:
    description: Returns what changed, or what would change in check mode, when run in diff mode.
    support: none
"""

    POSIX = r"""
attributes:
  platform:
    description: Systems that the module runs on.
    platforms: posix
    support: full
    details: Needs only Python 3.6 or later on the host.
"""

    LINUX = r"""
attributes:
  platform:
    description: Systems that the module runs on.
    platforms: posix
    support: full
    details: Needs only Linux and Python 3.6 or later on the host.
"""

    CONTROLLER = r"""
attributes:
  action:
    description: Runs on the controller.
    support: full
  platform:
    description: Systems whose results it takes.
    platforms: posix
    support: full
"""
