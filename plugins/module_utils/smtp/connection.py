# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A connection of which time and bytes are bounded as a whole, whatever the other side does."""

__all__ = ["Broken", "Connection", "connect", "reason"]

import queue
import socket
import ssl
import threading
import time
from typing import Any, Callable, List, Optional, Sequence, Tuple, TypeVar, Union

from ansible_collections.mailops.rescue.plugins.module_utils.mail.text import shorten, visible

_CHUNK = 4096
_MOST_BYTES = 262144
_LONGEST_LINE = 2048
_MOST_ADDRESSES = 8
_FAMILIES = {"auto": socket.AF_UNSPEC, "ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}

# Of IPv4 or IPv6, as connect() takes it: the host comes first.
_SocketAddress = Tuple[Any, ...]
_Resolved = Sequence[Tuple[int, int, int, str, _SocketAddress]]
_Result = TypeVar("_Result")


class Broken(Exception):
    """The conversation cannot go on; the message is a phrase that says why."""


def reason(error: OSError) -> str:
    """Return an OSError, also one of ssl or socket, as a phrase."""
    if isinstance(error, socket.timeout):
        return "no answer in time"
    text = getattr(error, "verify_message", None) or getattr(error, "reason", None) or error.strerror or str(error)
    return shorten(visible(str(text).replace("_", " ").lower()), 200)


def connect(host: str, port: int, family: str, deadline: float) -> Tuple["Connection", str, str]:
    """Return ``(Connection, address, family)`` to the first address of ``host`` that accepts. Raises Broken.

    ``family``: auto, ipv4 or ipv6; never auto in what is returned.
    """
    found = _resolve(host, port, _FAMILIES[family], deadline)[:_MOST_ADDRESSES]
    problems = []
    for number, (kind, address) in enumerate(found):
        # One address that answers nothing leaves time for those after it.
        share = (deadline - time.monotonic()) / (len(found) - number)
        if share <= 0:
            break
        try:
            sock = socket.socket(kind, socket.SOCK_STREAM)
        except OSError as error:
            problems.append("%s: %s" % (address[0], reason(error)))
            continue
        try:
            sock.settimeout(share)
            sock.connect(address)
        except OSError as error:
            sock.close()
            problems.append("%s: %s" % (address[0], reason(error)))
            continue
        return Connection(sock, deadline), address[0], "ipv6" if kind == socket.AF_INET6 else "ipv4"
    raise Broken("; ".join(problems) or "no answer in time")


def _resolve(host: str, port: int, family: int, deadline: float) -> List[Tuple[int, _SocketAddress]]:
    """Return ``[(family, socket address)]``. The system's resolver knows no time limit, hence the thread."""
    answers: "queue.Queue[Union[_Resolved, OSError, UnicodeError]]" = queue.Queue()

    def ask() -> None:
        try:
            answers.put(socket.getaddrinfo(host, port, family, socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            answers.put(error)

    thread = threading.Thread(target=ask)
    thread.daemon = True
    thread.start()
    try:
        found = answers.get(timeout=max(deadline - time.monotonic(), 0.01))
    except queue.Empty:
        raise Broken("the name %s was not resolved in time" % host) from None
    if isinstance(found, Exception):
        why = found.strerror if isinstance(found, OSError) and found.strerror else "it is no name"
        raise Broken("the name %s cannot be resolved: %s" % (host, why.lower()))
    return [(kind, address) for kind, _type, _protocol, _name, address in found]


class Connection:
    """Lines over a connected socket, with TLS or without, until ``deadline``, in seconds on the monotonic clock.

    All that sends or receives raises Broken.
    """

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self.deadline = deadline
        self.tls: Optional[ssl.SSLObject] = None
        self._sock = sock
        self._received = 0
        self._waiting = b""

    def close(self) -> None:
        self._sock.close()

    @property
    def local_address(self) -> str:
        return self._sock.getsockname()[0]

    def send(self, data: bytes) -> None:
        if self.tls is None:
            self._push(data)
        else:
            try:
                self._patiently(self.tls.write, data)
            except ssl.SSLError as error:
                raise Broken("TLS: %s" % reason(error)) from None

    def line(self) -> bytes:
        """Return the next line without its end. Raises Broken."""
        while b"\n" not in self._waiting:
            if len(self._waiting) > _LONGEST_LINE:
                raise Broken("a line longer than %d bytes" % _LONGEST_LINE)
            data = self._read()
            if not data:
                raise Broken("the server closed the connection")
            self._waiting += data
        found, _end, self._waiting = self._waiting.partition(b"\n")
        if len(found) > _LONGEST_LINE:
            raise Broken("a line longer than %d bytes" % _LONGEST_LINE)
        return found[:-1] if found.endswith(b"\r") else found

    def begin_tls(self, context: ssl.SSLContext, name: Optional[str]) -> ssl.SSLObject:
        """Take the handshake and return what it made; ``name`` is asked for, or None. Raises Broken."""
        # What was sent ahead of TLS may be from anyone on the way.
        self._waiting = b""
        # With the bytes in our own hands, a server that keeps the TLS library busy is bounded too.
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        try:
            tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
            self._patiently(tls.do_handshake)
        except ssl.SSLError as error:
            raise Broken(reason(error)) from None
        except ValueError as error:
            # Python 3.6: the name does not fit.
            raise Broken(shorten(visible(str(error)), 200)) from None
        self.tls = tls
        return tls

    def _patiently(self, step: Callable[..., _Result], *arguments: Any) -> _Result:
        """Return what ``step`` of the TLS library returns once it has had the bytes that it waits for."""
        while True:
            try:
                done = step(*arguments)
                self._flush()
                return done
            except ssl.SSLWantReadError:
                self._flush()
                data = self._pull()
                if data:
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()
            except ssl.SSLError:
                self._flush()
                raise

    def _read(self) -> bytes:
        if self.tls is None:
            return self._pull()
        try:
            return self._patiently(self.tls.read, _CHUNK)
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""
        except ssl.SSLError as error:
            raise Broken("TLS: %s" % reason(error)) from None

    def _flush(self) -> None:
        data = self._outgoing.read()
        if data:
            self._push(data)

    def _limit(self) -> None:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise Broken("no answer in time")
        self._sock.settimeout(left)

    def _pull(self) -> bytes:
        self._limit()
        try:
            data = self._sock.recv(_CHUNK)
        except OSError as error:
            raise Broken(reason(error)) from None
        self._received += len(data)
        if self._received > _MOST_BYTES:
            raise Broken("more than %d bytes of answers" % _MOST_BYTES)
        return data

    def _push(self, data: bytes) -> None:
        self._limit()
        try:
            self._sock.sendall(data)
        except OSError as error:
            raise Broken(reason(error)) from None
