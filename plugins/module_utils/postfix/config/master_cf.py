# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""master.cf: services, and the parameters that they set for themselves, edited in place."""

__all__ = ["FIELDS", "Overrides", "Services"]

from collections import namedtuple

from ansible_collections.mailops.rescue.plugins.module_utils.postfix.config.logical_lines import LogicalLines, is_loose

FIELDS = ("private", "unprivileged", "chroot", "wakeup", "process_limit")
_COMMAND = 7
_LAYOUT = "%-9s %-5s %-7s %-7s %-7s %-7s %-7s %s\n"

_Token = namedtuple("_Token", "text start end")
# ``option``: the token "-o"; ``token``: the one with the assignment, the same where they are one word.
_Override = namedtuple("_Override", "name value option token")


class Services:
    """The services of a master.cf, by "name/type", each a dict of FIELDS and ``command`` (with its arguments)."""

    def __init__(self, text):
        self.lines = LogicalLines(text)

    def text(self):
        return self.lines.text()

    def names(self):
        return [_name(block) for block in self.lines.blocks if not is_loose(block)]

    def get(self, name):
        """Return the dict of a service, or None."""
        index = self.find(name)
        return None if index is None else self._fields(self.lines.blocks[index])

    def matches(self, name, wanted):
        found = self.get(name)
        if wanted is None or found is None:
            return wanted is found
        return all(found[field] == value for field, value in wanted.items())

    def before(self, name):
        """Return what ``restore`` needs."""
        index = self.find(name)
        return None if index is None else [self.lines.blocks[index], self.lines.place(index)]

    def value_before(self, before):
        return None if before is None else self._fields(before[0])

    def set(self, name, value, before=None):
        """Give a service the fields in ``value``, and leave its others; None: remove it."""
        index = self.find(name)
        if value is None:
            if index is not None:
                del self.lines.blocks[index]
        elif index is None:
            fields = [value.get(field, "-") for field in FIELDS]
            text = _LAYOUT % tuple(name.split("/") + fields + [value["command"]])
            if before:
                self.lines.put(text, before[1])
            else:
                self.lines.add(text)
        else:
            self._change(index, value)

    def restore(self, name, before):
        """Make it as it was when ``before`` was taken."""
        index = self.find(name)
        if before is None:
            self.set(name, None)
        elif index is None:
            self.lines.put(*before)
        else:
            self.lines.blocks[index] = before[0]

    def find(self, name):
        """Return the index of a service's block, or None."""
        for index, block in enumerate(self.lines.blocks):
            if not is_loose(block) and _name(block) == name:
                return index
        return None

    def _change(self, index, value):
        block = self.lines.blocks[index]
        tokens, now = tokenize(block), self._fields(block)
        # From the end, so that places before it stay true.
        if value.get("command", now["command"]) != now["command"]:
            block = block[: tokens[_COMMAND].start] + value["command"] + block[tokens[-1].end :]
        for at in range(len(FIELDS) - 1, -1, -1):
            token = tokens[at + 2]
            if value.get(FIELDS[at], token.text) != token.text:
                new = value[FIELDS[at]]
                # The columns after it stay where they are, as far as there is room.
                room = len(block[token.end :]) - len(block[token.end :].lstrip(" ")) - 1
                cut = min(max(len(new) - len(token.text), 0), max(room, 0))
                pad = " " * max(len(token.text) - len(new), 0)
                block = block[: token.start] + new + pad + block[token.end + cut :]
        self.lines.blocks[index] = block

    @staticmethod
    def _fields(block):
        texts = [token.text for token in tokenize(block)]
        return dict(zip(FIELDS, texts[2:]), command=" ".join(texts[_COMMAND:]))


class Overrides:
    """The parameters that services set for themselves (-o), by "name/type/parameter"; works on a Services."""

    def __init__(self, services):
        self._services = services

    def text(self):
        return self._services.text()

    def names(self):
        """Return the names of all of them."""
        found = []
        for block in self._services.lines.blocks:
            if not is_loose(block):
                names = [_name(block) + "/" + one.name for one in _overrides(block)]
                found += [name for number, name in enumerate(names) if name not in names[:number]]
        return found

    def get(self, name):
        """Return a value, or None."""
        found = self._find(name)[2]
        return found[-1].value if found else None

    def matches(self, name, wanted):
        return self.get(name) == wanted

    def before(self, name):
        """Return what ``restore`` needs."""
        found = self._find(name)[2]
        if not found:
            return None
        joined = found[-1].option == found[-1].token
        return [found[-1].value, found[-1].token.text[2 if joined else 0 :]]

    def value_before(self, before):
        return None if before is None else before[0]

    def set(self, name, value, before=None):
        """Set a parameter of a service that exists; None: remove it."""
        self._write(name, None if value is None else _assignment(name.split("/", 2)[2], value))

    def restore(self, name, before):
        """Make it as it was when ``before`` was taken."""
        self._write(name, None if before is None else before[1])

    def _find(self, name):
        """Return (index of the block or None, block, list of _Override)."""
        service, unused, parameter = name.rpartition("/")
        index = self._services.find(service)
        block = "" if index is None else self._services.lines.blocks[index]
        return index, block, [one for one in _overrides(block) if one.name == parameter]

    def _write(self, name, text):
        index, block, found = self._find(name)
        if index is None:
            return
        if text is None:
            for one in reversed(found):
                block = _cut(block, one.option.start, one.token.end)
        elif found:
            option, token = found[-1].option, found[-1].token
            if option == token:
                text = "-o " + text if text.startswith("{") else "-o" + text
            block = block[: token.start] + text + block[token.end :]
        else:
            block = _insert(block, text)
        self._services.lines.blocks[index] = block


def tokenize(block):
    """Return the words of a logical line; blanks inside braces part none. Lines that are comments are left out."""
    tokens, depth, start, at = [], 0, None, 0
    for line in block.split("\n"):
        loose = is_loose(line)
        for char in line + "\n":
            blank = loose or (char in " \t\r\n" and depth == 0)
            if blank and start is not None:
                tokens.append(_Token(block[start:at], start, at))
                start = None
            elif not blank and start is None:
                start = at
            if not loose:
                depth = max(0, depth + (char == "{") - (char == "}"))
            at += 1
    if start is not None:
        tokens.append(_Token(block[start:].rstrip("\n"), start, len(block.rstrip("\n"))))
    return tokens


def _name(block):
    return "/".join(token.text for token in tokenize(block)[:2])


def _overrides(block):
    """Return what a service's command sets by -o. Its own arguments, as pipe(8) has them, end the list."""
    found, option = [], None
    for token in tokenize(block)[_COMMAND + 1 :]:
        if option is not None:
            found.append(_Override(*_assigned(token.text), option=option, token=token))
            option = None
        elif token.text == "-o":
            option = token
        elif token.text.startswith("-o"):
            found.append(_Override(*_assigned(token.text[2:]), option=token, token=token))
        elif not token.text.startswith("-"):
            break
    return found


def _assigned(text):
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1]
    name, unused, value = text.partition("=")
    return name.strip(), " ".join(value.split("\n")).strip()


def _assignment(name, value):
    if value[:1] == "{" or any(char in value for char in " \t"):
        return "{ %s = %s }" % (name, value)
    return "%s=%s" % (name, value)


def _cut(block, start, end):
    """Remove a piece of a logical line, and the physical line where nothing else is on it."""
    first = block.rfind("\n", 0, start) + 1
    last = block.find("\n", end)
    last = len(block) if last < 0 else last + 1
    if first and not block[first:start].strip() and not block[end:last].strip():
        return block[:first] + block[last:]
    while start and block[start - 1] in " \t":
        start -= 1
    return block[:start] + block[end:]


def _insert(block, text):
    """Add -o and an assignment after those there are: what follows them may be the arguments of another program."""
    found = _overrides(block)
    indent, end = "  ", tokenize(block)[_COMMAND].end
    if found:
        end, start = found[-1].token.end, found[-1].option.start
        before = block[block.rfind("\n", 0, start) + 1 : start]
        indent = before if before and not before.strip() else indent
    alone = not block[end:].split("\n")[0].strip()
    return block[:end] + ("\n" + indent if alone else " ") + "-o " + text + block[end:]
