# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


class ModuleDocFragment:
    # For modules that work on batches, of all queues if need be.
    DOCUMENTATION = r"""
options:
  quarantine:
    description:
      - Directory that holds the batches.
      - By default the one that M(mailops.rescue.queue_purge) creates, beside the queue.
      - If it is given without O(queue_directory) and O(config_directory), all batches in it are used, including those
        of queues that no longer exist.
    type: path
"""
