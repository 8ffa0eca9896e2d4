# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hands messages of a batch to qmail-queue as new mail, for where they cannot come back exactly."""

__all__ = ["Injector"]

import os
import subprocess

from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged, RescueError, Vanished
from ansible_collections.mailops.rescue.plugins.module_utils.host.regular_files import open_file, read_all
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue.layout import (
    parse_channel,
    parse_info,
    parse_todo,
)

_LIMIT = 1 << 26
_TIMEOUT = 300


class Injector:
    """Runs the qmail-queue that belongs to the queue at ``queue_directory``."""

    def __init__(self, queue_directory):
        self._program = os.path.join(os.path.dirname(os.path.realpath(queue_directory)), "bin", "qmail-queue")
        if not os.access(self._program, os.X_OK):
            raise RescueError("method: reinject needs %s, which is not there." % self._program)

    def inject(self, batch, entry):
        """Inject one message for its pending recipients.

        Return ``(reason, unsure)``: why it was not injected, as a phrase, or None; and whether it may have been.
        """
        try:
            envelope = self._envelope(batch, entry)
        except (Damaged, Vanished) as error:
            return "its envelope cannot be read (%s)" % error, False
        if not envelope.count(b"\0T"):
            return "it has no pending recipient", False
        content = open_file(*batch.find(entry.files[0].path))
        try:
            return self._run(content, envelope)
        finally:
            os.close(content)

    @staticmethod
    def _envelope(batch, entry):
        found = {record.path.partition("/")[0]: record.path for record in entry.files}

        def read(name):
            return read_all(*batch.find(found[name]), limit=_LIMIT)

        if entry.state == "S4":
            envelope = parse_todo(read("todo"))
            sender, recipients = envelope.sender, envelope.recipients
        else:
            sender = parse_info(read("info"))
            channels = [name for name in ("local", "remote") if name in found]
            recipients = [one for name in channels for one in parse_channel(read(name), name)]
        records = [b"F" + sender] + [b"T" + one.address for one in recipients if not one.done]
        return b"".join(record + b"\0" for record in records) + b"\0"

    def _run(self, content, envelope):
        # Its descriptor 1 is an input.
        reading, writing = os.pipe()
        try:
            process = subprocess.Popen([self._program], stdin=content, stdout=reading, close_fds=True, cwd="/")
        except OSError as error:
            os.close(writing)
            raise RescueError("method: %s cannot be run: %s." % (self._program, error.strerror)) from None
        finally:
            os.close(reading)
        try:
            with os.fdopen(writing, "wb") as pipe:
                pipe.write(envelope)
        except BrokenPipeError:
            pass
        try:
            status = process.wait(_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return "qmail-queue did not take it within %d s" % _TIMEOUT, True
        if status < 0:
            return "qmail-queue was killed (signal %d)" % -status, True
        return (None, False) if status == 0 else ("qmail-queue refused it (exit status %d)" % status, False)
