# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scheduled compliance run: python -m ansible_collections.mailops.rescue.plugins.plugin_utils.schedule SETTINGS"""

import sys

from ansible_collections.mailops.rescue.plugins.plugin_utils.schedule.run import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
