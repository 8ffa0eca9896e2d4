# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which addresses this host has, on which TCP ports somebody listens, and where to ask what strangers get."""

__all__ = ["Address", "Network", "listening_sockets"]

import ipaddress
import os
import re
import socket
import struct
from typing import Callable, Iterator, List, Optional, Set, Tuple, Union

_LISTEN = "0A"
_LINE = re.compile(r"^\s*\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) [0-9A-F]+:[0-9A-F]{4} ([0-9A-F]{2}) ")
_LOCAL = re.compile(r"\|-- (\S+)\n\s*/32 host LOCAL")
_GLOBAL = "00"

Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]


class Network:
    """``addresses``: this host's own, without those of the loopback and of links, IPv4 first; ``listening``: the sorted
    list of (ip_address, port). Read below ``root``, as the kernel shows them.
    """

    def __init__(self, root: str = "/proc") -> None:
        self._processes = root
        self._root = os.path.join(root, "net")
        self.addresses = self._ipv4() + self._ipv6()
        self.listening = sorted(set(self._sockets()), key=lambda one: (one[1], one[0].version, one[0]))

    def listens(self, port: int) -> bool:
        """Tell whether somebody listens on a port, at whatever address."""
        return any(one[1] == port for one in self.listening)

    def is_open(self, port: int) -> bool:
        """Tell whether somebody listens on a port where others could reach it."""
        return any(not address.is_loopback for address, at in self.listening if at == port)

    def ports_of(self, program: str) -> List[int]:
        """Return the sorted ports at which a process listens that has ``program``, with or without its path, among its
        arguments, as those have that start it for each connection.
        """
        ports = {}
        for name in ("tcp", "tcp6"):
            for line in self._read(name).splitlines():
                fields = line.split()
                if len(fields) > 9 and fields[3] == _LISTEN:
                    ports["socket:[%s]" % fields[9]] = int(fields[1].rpartition(":")[2], 16)
        served: Set[int] = set()
        for pid in os.listdir(self._processes):
            if pid.isdigit() and self._starts(pid, program):
                served.update(ports[link] for link in self._open_files(pid) if link in ports)
        return sorted(served)

    def _starts(self, pid: str, program: str) -> bool:
        try:
            with open(os.path.join(self._processes, pid, "cmdline"), "rb") as file:
                words = file.read(1 << 16).replace(b"\0", b" ").split()
        except OSError:
            return False
        return os.fsencode(program) in [word.rpartition(b"/")[2] for word in words]

    def _open_files(self, pid: str) -> Iterator[str]:
        folder = os.path.join(self._processes, pid, "fd")
        try:
            names = os.listdir(folder)
        except OSError:
            return
        for name in names:
            try:
                yield os.readlink(os.path.join(folder, name))
            except OSError:
                continue

    def where_to_ask(self, port: int, trusts: Callable[[Address], Optional[bool]] = lambda address: False) -> Address:
        """Return the address at which this host is to ask a port as a stranger would; the loopback is trusted by most
        servers, and so the last choice. ``trusts``: whether the server trusts an address; None: nobody knows.
        """
        found = [address for address, at in self.listening if at == port]
        versions = {address.version for address in found if address.is_unspecified}
        if 6 in versions:
            # Unless it is told otherwise, it takes IPv4, too.
            versions.add(4)
        asked = [own for own in self.addresses if own.version in versions or own in found]
        if asked:
            return min(asked, key=lambda own: (False, None, True).index(trusts(own)))
        return next((address for address in found if not address.is_unspecified), ipaddress.ip_address("127.0.0.1"))

    def _sockets(self) -> Iterator[Tuple[Address, int]]:
        for name in ("tcp", "tcp6"):
            yield from listening_sockets(self._read(name))

    def _ipv4(self) -> List[Address]:
        found = {ipaddress.ip_address(text) for text in _LOCAL.findall(self._read("fib_trie"))}
        return sorted(one for one in found if not one.is_loopback)

    def _ipv6(self) -> List[Address]:
        found = set()
        for line in self._read("if_inet6").splitlines():
            fields = line.split()
            if len(fields) > 3 and fields[3] == _GLOBAL:
                found.add(ipaddress.ip_address(bytes.fromhex(fields[0])))
        return sorted(found)

    def _read(self, name: str) -> str:
        try:
            with open(os.path.join(self._root, name), encoding="ascii", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            # There may be no IPv6.
            return ""


def listening_sockets(table: str) -> List[Tuple[Address, int]]:
    """Return pairs of ip_address and port out of the kernel's table of TCP sockets, /proc/net/tcp or tcp6."""
    matches = [_LINE.match(line) for line in table.splitlines()]
    return [
        (_address(match.group(1)), int(match.group(2), 16)) for match in matches if match and match.group(3) == _LISTEN
    ]


def _address(text: str) -> Address:
    """Return the ip_address of what the kernel writes as words in its own byte order."""
    words = [int(text[at : at + 8], 16) for at in range(0, len(text), 8)]
    raw = struct.pack("=%dI" % len(words), *words)
    return ipaddress.ip_address(socket.inet_ntop(socket.AF_INET if len(words) == 1 else socket.AF_INET6, raw))
