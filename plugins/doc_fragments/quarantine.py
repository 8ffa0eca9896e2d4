# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  quarantine:
    description:
      - Directory that holds the batches of messages that were taken out of the queue.
      - It is on the queue's own filesystem, so that messages are moved and never copied, and is root's (or your own)
        with mode 0700.
      - Without it, a directory beside the queue with C(.quarantine) after its name; where the queue is a filesystem of
        its own, C(quarantine) inside it.
    type: path
"""
