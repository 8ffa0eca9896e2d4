# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client's side of an SMTP session that never comes to DATA."""

__all__ = ["Reply", "Session", "any_certificate", "mechanisms"]

import re
import socket
import ssl
import time
from typing import Iterable, List, NamedTuple, Optional

from ansible_collections.mailops.rescue.plugins.module_utils.mail.text import decode, shorten, visible
from ansible_collections.mailops.rescue.plugins.module_utils.smtp.connection import Broken, Connection

_MOST_LINES = 100
_LONGEST_TEXT = 300
_MOST_EXTENSIONS = 50
_MOST_MECHANISMS = 20
_GOODBYE_SECONDS = 2
_REPLY = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*))?\Z", re.DOTALL)
_FULL_NAME = re.compile(r"(?=.{1,255}\Z)[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+\Z")


class Reply(NamedTuple):
    """An answer. ``lines``: of text, made harmless; ``text``: all of them in one, cut where it is long."""

    code: int
    lines: List[str]
    text: str


def mechanisms(extensions: Iterable[str]) -> List[str]:
    """Return the SASL mechanisms that EHLO's ``extensions`` name, in any of the two forms (RFC 4954; old Outlook)."""
    found = []
    for extension in extensions:
        if extension[:4].upper() == "AUTH" and extension[4:5] in (" ", "="):
            found += extension[5:].replace("=", " ").upper().split()
    return sorted({shorten(name, 40) for name in found})[:_MOST_MECHANISMS]


class Session:
    """Commands and their answers on a Connection, one at a time.

    ``extensions``: what the server said to the last EHLO, each as the server wrote it; empty where it knows HELO only.
    All commands but ``end`` raise Broken where no answer of SMTP comes.
    """

    def __init__(self, connection: Connection, helo: Optional[str] = None) -> None:
        self.extensions: List[str] = []
        self._connection = connection
        self._helo = helo or _own_name(connection.local_address)

    def greeting(self) -> Reply:
        return self._answer("the greeting")

    def hello(self) -> int:
        """Say EHLO, or HELO where that is refused; return the answer's code."""
        self.extensions = []
        reply = self._command("EHLO " + self._helo, "EHLO")
        if 200 <= reply.code < 300:
            # Its own limits: an extension beyond those of a text is not to vanish.
            self.extensions = [shorten(line, 200) for line in reply.lines[1 : _MOST_EXTENSIONS + 1] if line]
        elif reply.code >= 500:
            reply = self._command("HELO " + self._helo, "HELO")
        if not 200 <= reply.code < 300:
            raise Broken("HELO was refused: %d %s" % (reply.code, reply.text))
        return reply.code

    def offers(self, keyword: str) -> bool:
        return any(line.split(None, 1)[0].upper() == keyword for line in self.extensions if line.strip())

    def starttls(self) -> Reply:
        return self._command("STARTTLS", "STARTTLS")

    def begin_tls(self, context: ssl.SSLContext, name: Optional[str], share: float = 1) -> ssl.SSLObject:
        """Take the handshake, in that ``share`` of the time that is left; return the ssl.SSLObject."""
        connection = self._connection
        deadline, now = connection.deadline, time.monotonic()
        connection.deadline = now + (deadline - now) * share
        try:
            return connection.begin_tls(context, name)
        finally:
            connection.deadline = deadline

    def mail(self, sender: str) -> Reply:
        return self._command("MAIL FROM:<%s>" % sender, "MAIL")

    def recipient(self, address: str) -> Reply:
        return self._command("RCPT TO:<%s>" % address, "RCPT")

    def reset(self) -> Reply:
        return self._command("RSET", "RSET")

    def end(self) -> None:
        """Say goodbye, and wait no longer than is polite."""
        connection = self._connection
        connection.deadline = min(connection.deadline, time.monotonic() + _GOODBYE_SECONDS)
        try:
            self._command("QUIT", "QUIT")
        except Broken:
            pass
        connection.close()

    def close(self) -> None:
        self._connection.close()

    def _command(self, line: str, name: str) -> Reply:
        try:
            self._connection.send(line.encode("ascii") + b"\r\n")
        except Broken as error:
            raise Broken("%s: %s" % (name, error)) from None
        return self._answer(name)

    def _answer(self, name: str) -> Reply:
        lines: List[str] = []
        try:
            while True:
                raw = self._connection.line()
                found = _REPLY.match(raw)
                if not found:
                    raise Broken("no SMTP: %s" % shorten(visible(decode(raw)), 100))
                lines.append(visible(decode(found.group(3) or b"")))
                if found.group(2) != b"-":
                    break
                if len(lines) >= _MOST_LINES:
                    raise Broken("an answer of more than %d lines" % _MOST_LINES)
        except Broken as error:
            raise Broken("%s: %s" % (name, error)) from None
        return Reply(int(found.group(1)), lines, shorten(" ".join(lines), _LONGEST_TEXT))


def any_certificate() -> ssl.SSLContext:
    """Return an ssl.SSLContext that takes whatever a server has: it is to be measured, and no secret is sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if hasattr(ssl, "TLSVersion"):
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    try:
        context.set_ciphers("ALL:@SECLEVEL=0")
    except ssl.SSLError:
        # OpenSSL before 1.1.0 knows no such levels.
        context.set_ciphers("ALL")
    return context


def _own_name(address: str) -> str:
    """Return what to call ourselves: our full name, else the address."""
    # Not getfqdn(): that asks the resolver, without a time limit.
    name = socket.gethostname()
    if _FULL_NAME.match(name):
        return name
    return "[IPv6:%s]" % address.split("%")[0] if ":" in address else "[%s]" % address
