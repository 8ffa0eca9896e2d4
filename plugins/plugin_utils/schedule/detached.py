# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a program without input, and without the terminal that ansible-runner gives it: python detached.py PROGRAM ...

What would ask a question, such as ssh for a passphrase, fails then instead of waiting for an answer. With BatchMode ssh
would not use those passwords either that the inventory has.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import termios
from typing import NoReturn


def main(command: list[str]) -> NoReturn:
    # Who gives up a terminal is told so by it.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        terminal = os.open("/dev/tty", os.O_RDWR)
    except OSError:
        pass
    else:
        fcntl.ioctl(terminal, termios.TIOCNOTTY)
        os.close(terminal)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
