# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running programs of the host."""

__all__ = ["Done", "PATH", "output", "run", "which"]

import os
import shutil
import subprocess
from typing import Mapping, NamedTuple, Optional, Union

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError

PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/sbin"))
_TIMEOUT = 30


class Done(NamedTuple):
    """How a program ended: bytes that are not UTF-8 stand in ``stdout`` as surrogates, in ``stderr`` as U+FFFD."""

    returncode: int
    stdout: str
    stderr: str


def which(name: str) -> Optional[str]:
    """Return the path of a program, or None where it is not installed."""
    return shutil.which(name, path=PATH)


def run(
    *command: str,
    data: Union[bytes, str] = b"",
    timeout: float = _TIMEOUT,
    environment: Optional[Mapping[str, str]] = None,
) -> Done:
    """Run a program; return how it ended.

    ``data``: its input, as bytes or as text; ``timeout``: in seconds; ``environment``: a dict instead of ours.
    Raises RescueError where it cannot be run, or does not end in time.
    """
    given = os.environ if environment is None else environment
    environment = dict(given, LC_ALL="C", PATH=os.pathsep.join((PATH, os.defpath)))
    program = which(command[0]) or command[0]
    if isinstance(data, str):
        data = data.encode("utf-8", "surrogateescape")
    try:
        done = subprocess.run(
            (program,) + command[1:],
            input=data,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=timeout,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RescueError("%s did not answer within %g seconds." % (" ".join(command), timeout)) from None
    except OSError as error:
        raise RescueError("%s cannot be run: %s." % (command[0], error.strerror)) from None
    return Done(done.returncode, done.stdout.decode("utf-8", "surrogateescape"), done.stderr.decode("utf-8", "replace"))


def output(*command: str) -> str:
    """Return what a program prints. Raises RescueError where it fails, too."""
    done = run(*command)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["no reason given"]
        raise RescueError("%s failed: %s." % (" ".join(command), lines[-1].rstrip(".")))
    return done.stdout
