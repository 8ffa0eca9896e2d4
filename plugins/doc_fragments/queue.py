# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  mta:
    description:
      - The MTA that the queue belongs to.
      - V(auto) detects it, from O(queue_directory) if that is given, else from what is installed. If both are installed
        and both have a queue, the module fails and names both.
    type: str
    choices: [auto, qmail, postfix]
    default: auto
  queue_directory:
    description:
      - The queue, if it is in an unusual place or an offline copy.
      - "qmail: the directory that contains C(mess) and C(info), such as C(/var/qmail/queue), or one that contains
        several such directories, named C(queue) and a number."
      - "Postfix: the directory that contains C(deferred) and C(active), such as C(/var/spool/postfix)."
      - By default the queue of the installed MTA.
    type: path
  config_directory:
    description:
      - Configuration directory of one Postfix instance, as in C(postconf -c).
      - Without this option and O(queue_directory), all instances that C(postmulti -l) lists are used.
    type: path
"""
