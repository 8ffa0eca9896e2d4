# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  quarantine:
    description:
      - Directory that holds the batches of what was taken out of the queue. It is created if it is missing.
      - It must be on the queue's own filesystem, since files are moved and never copied, and must be owned by root (or
        by you) with mode 0700.
      - By default a directory beside the queue with C(.quarantine) appended to its name, or C(quarantine) inside the
        queue if the queue is a filesystem of its own.
    type: path
"""
