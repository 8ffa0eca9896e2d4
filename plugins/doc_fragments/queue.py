# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  mta:
    description:
      - Whose queue it is.
      - V(auto) finds out from O(queue_directory) where that is given, else from what is installed. When both are
        installed and both have a queue, the module fails and names both.
    type: str
    choices: [auto, qmail, postfix]
    default: auto
  queue_directory:
    description:
      - The queue, for one in an unusual place or for an offline copy of one.
      - "For qmail: the directory that holds C(mess) and C(info), such as C(/var/qmail/queue), or one that holds several
        such directories, named C(queue) and a number."
      - "For Postfix: the directory that holds C(deferred) and C(active) (such as C(/var/spool/postfix))."
      - Without it, the queue of the installed MTA is used.
    type: path
  config_directory:
    description:
      - Configuration directory of one Postfix instance, as in C(postconf -c).
      - Without it, and without O(queue_directory), all instances that C(postmulti -l) lists are read.
    type: path
"""
