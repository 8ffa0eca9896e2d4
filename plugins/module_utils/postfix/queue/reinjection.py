# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hands messages of a batch to sendmail(1) as new mail, for where they cannot come back exactly."""

__all__ = ["Injector", "quote"]

import os
import re
import subprocess

from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged, RescueError, Vanished
from ansible_collections.mailops.rescue.plugins.module_utils.host import disk
from ansible_collections.mailops.rescue.plugins.module_utils.host.programs import which
from ansible_collections.mailops.rescue.plugins.module_utils.host.regular_files import read_all
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.hashing import find_configuration
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.records import (
    TooShort,
    parse_content,
    parse_envelope,
)

_LIMIT = 1 << 29
_TIMEOUT = 300
# Of arguments for one run; Linux takes 2 MiB by default, the environment included.
_MOST_BYTES = 1 << 19
_SHORT_OF_ALL = "sendmail took it for the first %d of its %d recipients only, then failed: %s"
# Without quotes, sendmail would take a blank or a comma for the end of an address.
_PLAIN = re.compile(rb"[0-9A-Za-z!#$%&'*+/=?^_`{|}~\x80-\xff-]+(\.[0-9A-Za-z!#$%&'*+/=?^_`{|}~\x80-\xff-]+)*\Z")
_DOMAIN = re.compile(rb"[0-9A-Za-z._\x80-\xff-]+\Z|\[[0-9A-Za-z.:-]+\]\Z")
_SPECIAL = re.compile(rb'([\\"])')


def quote(address):
    """Return an address (bytes) as a queue file has it, in the form in which sendmail(1) understands it as that one.

    None for one that cannot be written so.
    """
    local, at, domain = address.rpartition(b"@")
    if not at:
        local, domain = domain, b""
    if b"\0" in address or b"\n" in address or b"\r" in address or (at and not _DOMAIN.match(domain)):
        return None
    if not _PLAIN.match(local):
        local = b'"' + _SPECIAL.sub(rb"\\\1", local) + b'"'
    return local + at + domain


class Injector:
    """Runs sendmail(1), for the Postfix instance whose queue is at ``queue_directory``, or for the first one."""

    def __init__(self, queue_directory):
        program = which("sendmail")
        if program is None:
            raise RescueError("method: reinject needs sendmail, which is not here.")
        configuration = find_configuration(queue_directory)
        self._command = [program] + (["-C", configuration] if configuration else [])

    def inject(self, batch, entry):
        """Inject one message for its pending recipients; return ``(reason, unsure)``.

        ``reason``: why that was not done for all of them, as a phrase, or None; ``unsure``: whether some may have it.
        """
        try:
            data = read_all(*batch.find(entry.files[0].path), limit=_LIMIT)
            envelope = parse_envelope(data, entry.queue != "maildrop")
            text = parse_content(data, 0, envelope.content)[0]
        except (Damaged, TooShort, Vanished) as error:
            return "it cannot be read (%s)" % error, False
        sender = quote(envelope.sender) if envelope.sender else b""
        recipients = [quote(one.address) for one in envelope.recipients if not one.done]
        if not recipients:
            return "it has no pending recipient", False
        if sender is None or None in recipients:
            return "it has an address that sendmail cannot be given", False
        done = 0
        with disk.scratch_file() as content:
            content.write(text)
            for some in _portions(recipients):
                reason, unsure = self._run(content, sender, some)
                if done and reason is not None:
                    return _SHORT_OF_ALL % (done, len(recipients), reason), True
                if reason is not None:
                    return reason, unsure
                done += len(some)
        return None, False

    def _run(self, content, sender, recipients):
        content.flush()
        os.lseek(content.fileno(), 0, os.SEEK_SET)
        command = self._command + ["-G", "-i", "-f", sender, "--"] + recipients
        try:
            done = subprocess.run(
                command,
                stdin=content,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                timeout=_TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return "sendmail did not take it within %d s" % _TIMEOUT, True
        except OSError as error:
            return "sendmail cannot be run: %s" % error.strerror, False
        # Killed by a signal, it does not tell whether it was done before.
        if done.returncode:
            return "sendmail refused it (exit status %d)" % done.returncode, done.returncode < 0
        return None, False


def _portions(recipients):
    """Yield the recipients in lists that fit a command line."""
    some, size = [], 0
    for one in recipients:
        if some and size + len(one) > _MOST_BYTES:
            yield some
            some, size = [], 0
        some.append(one)
        # Each takes a pointer and a NUL too.
        size += len(one) + 9
    yield some
