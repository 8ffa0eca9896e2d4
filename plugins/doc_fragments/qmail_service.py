# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  supervisor:
    description:
      - What keeps C(qmail-send) running, for qmail.
      - V(auto) finds it out. Of a running C(qmail-send) by the processes above it and its control group. Else it is the
        service under C(supervise), C(runsv) or C(s6-supervise) whose C(run) names qmail's home directory and
        C(qmail-start), C(qmail-send) or C(rc); or the unit or script in C(/etc/init.d) that does and is called
        something with C(qmail).
      - V(sysv) is a script that takes C(start) and C(stop), such as Plesk's C(/etc/init.d/qmail).
      - V(none) sends SIGTERM to C(qmail-send) itself, and starts it by the script in O(service). Where something starts
        it again, it will not stay stopped.
    type: str
    choices: [auto, daemontools, runit, s6, systemd, sysv, none]
    default: auto
  service:
    description:
      - The service, where it is not found or several are. With O(supervisor=auto) what it is says which supervisor.
      - For V(daemontools), V(runit) and V(s6), its directory, or its name in C(/service), C(/etc/service),
        C(/var/service), C(/run/service) or C(/var/qmail/supervise).
      - For V(systemd), its unit.
      - For V(sysv), the script, or its name in C(/etc/init.d).
      - For V(none), the script that becomes C(qmail-send), such as C(/var/qmail/rc). It must be given.
    type: str
  stop_timeout:
    description:
      - How many seconds to wait for C(qmail-send) to stop. It finishes deliveries in flight first, and a dead peer can
        hold one up for 20 minutes and longer.
    type: int
    default: 60
  on_timeout:
    description:
      - What to do when deliveries in flight hold up the stop for longer than O(stop_timeout).
      - V(fail) names them, and takes the request to stop back. It cannot be unsaid to C(qmail-send) itself, so that it
        begins no new delivery until those have ended; then its supervisor starts it again. With O(supervisor=sysv) and
        O(supervisor=none) nothing starts it again.
      - V(wait) goes on waiting, for six hours at most, and fails then.
      - V(kill) kills them, qmail tries them again later; where a peer had accepted the
        message already, it gets a second copy.
    type: str
    choices: [fail, wait, kill]
    default: fail
  start_timeout:
    description: How many seconds to wait for C(qmail-send) to start.
    type: int
    default: 30
"""
