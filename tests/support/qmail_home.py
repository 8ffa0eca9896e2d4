"""A qmail that is set up and not installed: its control files, users/assign with its cdb, and homes of users."""

import os
import struct
from pathlib import Path

__all__ = ["BOUNCING", "QmailHome", "make_cdb"]

BOUNCING = b"| %s/bin/vdelivermail '' bounce-no-mailbox\n"


def make_cdb(records):
    """Return the bytes of a cdb with these (key, value) pairs."""
    data, entries = b"", []
    for key, value in records:
        number = 5381
        for byte in key:
            number = ((number << 5) + number & 0xFFFFFFFF) ^ byte
        entries.append((number, 2048 + len(data)))
        data += struct.pack("<II", len(key), len(value)) + key + value
    header, tables, position = b"", b"", 2048 + len(data)
    for slot in range(256):
        mine = [one for one in entries if one[0] % 256 == slot]
        table = [(0, 0)] * (2 * len(mine))
        for number, at in mine:
            place = (number >> 8) % len(table)
            while table[place][1]:
                place = (place + 1) % len(table)
            table[place] = (number, at)
        header += struct.pack("<II", position + len(tables), len(table))
        tables += b"".join(struct.pack("<II", *one) for one in table)
    return header + data + tables


class QmailHome:
    """In the directory `path`; everything belongs to whoever runs the tests."""

    def __init__(self, path, local=("mail.example.com",), virtual=()):
        self.path = Path(path)
        for name in ("control", "users", "queue", "alias"):
            (self.path / name).mkdir(parents=True)
        self.control("me", "mail.example.com")
        self.control("locals", *local)
        self.control("virtualdomains", *virtual)
        self.assignments = []
        self.assign("+", "alias", self.path / "alias")

    def control(self, name, *lines):
        (self.path / "control" / name).write_text("".join(line + "\n" for line in lines))

    def home(self, name, files=()):
        """Make a home, with `files`, a dict of bytes by name; return its path."""
        home = self.path / name
        home.mkdir(parents=True, exist_ok=True)
        for file, data in dict(files).items():
            (home / file).write_bytes(data)
        return home

    def assign(self, key, user, home, dash="-", extension=""):
        """Add an assignment, as `+example.com-` or `=joe`, and make the cdb of all of them."""
        fields = (user, str(os.getuid()), str(os.getgid()), str(home), dash, extension)
        self.assignments.append((key, fields))
        self.rewrite()

    def rewrite(self):
        """Write `assignments`, and make their cdb."""
        lines = ["%s:%s:" % (name, ":".join(one)) for name, one in self.assignments]
        (self.path / "users" / "assign").write_text("".join(line + "\n" for line in lines) + ".\n")
        self.compile()

    def compile(self):
        """Do qmail-newu's work."""
        records, wild = [], []
        for key, fields in self.assignments:
            name = b"!" + key[1:].lower().encode()
            if key[0] == "=":
                name += b"\0"
            elif len(key) > 1 and key[-1] not in wild:
                wild.append(key[-1])
            records.append((name, "\0".join(fields).encode()))
        records.append((b"", "".join(wild).encode()))
        (self.path / "users" / "cdb").write_bytes(make_cdb(records))

    def vpopmail(self, domain, data=None):
        """Add a domain as vpopmail does; return its directory."""
        vpopmail = self.path / "vpopmail"
        home = self.home(
            "vpopmail/domains/" + domain, {".qmail-default": BOUNCING % os.fsencode(vpopmail) if data is None else data}
        )
        self.assign("+%s-" % domain, domain, home)
        return home
