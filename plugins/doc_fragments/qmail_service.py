# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  supervisor:
    description:
      - The supervisor that keeps C(qmail-send) running; qmail only.
      - V(auto) detects it, from the parent processes and the control group of a running C(qmail-send). If C(qmail-send)
        does not run, it is the service under C(supervise), C(runsv) or C(s6-supervise) whose C(run) mentions qmail's
        home directory and C(qmail-start), C(qmail-send) or C(rc); or a unit, or a script in C(/etc/init.d), that
        mentions these and has C(qmail) in its name.
      - V(sysv) is a script that takes C(start) and C(stop), such as Plesk's C(/etc/init.d/qmail).
      - V(none) sends SIGTERM to C(qmail-send) itself, and starts it with the script in O(service). If something else
        restarts it, it does not stay stopped.
    type: str
    choices: [auto, daemontools, runit, s6, systemd, sysv, none]
    default: auto
  service:
    description:
      - The service, if none or more than one is detected. With O(supervisor=auto), its kind determines the supervisor.
      - For V(daemontools), V(runit) and V(s6), its directory, or its name in C(/service), C(/etc/service),
        C(/var/service), C(/run/service) or C(/var/qmail/supervise).
      - For V(systemd), its unit.
      - For V(sysv), the script, or its name in C(/etc/init.d).
      - For V(none), the script that becomes C(qmail-send), such as C(/var/qmail/rc); required.
    type: str
  stop_timeout:
    description:
      - Seconds to wait for C(qmail-send) to stop. It finishes deliveries in flight first, and a dead peer can delay one
        for 20 minutes or more.
    type: int
    default: 60
  on_timeout:
    description:
      - What to do if deliveries in flight delay the stop for longer than O(stop_timeout).
      - V(fail) fails, names them and cancels the stop request. C(qmail-send) itself cannot be told to continue, so it
        starts no new delivery until those have ended, and its supervisor then restarts it. With O(supervisor=sysv) and
        O(supervisor=none), nothing restarts it.
      - V(wait) keeps waiting for up to six hours, then fails.
      - V(kill) kills them, and qmail retries them later. A peer that had already accepted the message gets a second
        copy.
    type: str
    choices: [fail, wait, kill]
    default: fail
  start_timeout:
    description: Seconds to wait for C(qmail-send) to start.
    type: int
    default: 30
"""
