"""A host of files and answers of commands, as firewall/host.py shows one; and a ufw that changes its rules."""

import binascii
import ipaddress
import socket

__all__ = ["FakeHost", "FakeUfw"]

ANY = {"user.rules": "0.0.0.0/0", "user6.rules": "::/0"}


class FakeHost:
    """`files`: text by path. `answers`: (exit status, output) by command line; what is not named fails."""

    def __init__(self, files=(), answers=(), commands=()):
        self.files = dict(files)
        self.answers = dict(answers)
        self.commands = set(commands)
        self.inputs = []

    def read(self, path):
        return self.files.get(path)

    def names(self, directory):
        return sorted(path[len(directory) + 1 :] for path in self.files if path.startswith(directory + "/"))

    def has(self, command):
        return command in self.commands

    def run(self, *command, **keywords):
        self.inputs.append(keywords.get("data"))
        return self.answers.get(" ".join(command), (1, "")) + ("no such answer\nand more",)


class FakeUfw:
    """Keeps rules as ufw 0.36 does: numbers count IPv4 first, rules that differ in their action alone are one, and
    a host has no prefix.
    """

    def __init__(self, host, ipv6="yes"):
        self.host = host
        self.rules = {"user.rules": [], "user6.rules": []}
        host.commands.add("ufw")
        host.answers["ufw status"] = (0, "Status: active\n")
        host.files["/etc/default/ufw"] = "# IPV6=no\nIPV6=%s\n" % ipv6
        self._write()

    def add(self, action, ports, source=None, protocol="tcp", name="user.rules", application="", at=None):
        """Add a rule of an administrator at the end, or before the one of index `at`."""
        rule = [action, protocol, ports, _as_ufw(source or ANY[name]), "any", application, ""]
        rules = self.rules[name]
        rules.insert(len(rules) if at is None else at, rule)
        self._write()

    def apply(self, steps):
        """Do what community.general.ufw makes ufw do."""
        for step in steps:
            assert step["proto"] == "tcp"
            name = "user6.rules" if ":" in step["from_ip"] else "user.rules"
            rules = self.rules[name]
            source = _as_ufw(step["from_ip"])
            rule = [step["rule"], "tcp", step["to_port"], source, step["from_port"], "", step["comment"]]
            same = [at for at, one in enumerate(rules) if one[1:6] == rule[1:6]]
            if step["delete"]:
                rules.remove(rule)
            elif step["insert"] is not None:
                assert not same, "Skipping inserting existing rule"
                at = step["insert"] - (self._count("user.rules") if name == "user6.rules" else 0)
                assert 1 <= at <= self._count(name), "Invalid position"
                rules.insert(self._index(rules, at), rule)
            elif same:
                assert rules[same[0]] != rule, "Skipping adding existing rule"
                rules[same[0]] = rule
            else:
                rules.append(rule)
            self._write()

    def verdict(self, source, port, name="user.rules"):
        """Return the action of the first rule for a packet of `source`, a network as written in the rules."""
        for action, protocol, ports, network, *_rest, application, _comment in self.rules[name]:
            bounds = [part.partition(":") for part in ports.split(",")] if ports != "any" else [("0", "", "65535")]
            hit = any(int(first) <= port <= int(last or first) for first, _colon, last in bounds)
            if protocol in ("tcp", "any") and (hit or application) and network in (_as_ufw(source), ANY[name]):
                return action
        return None

    def _count(self, name):
        return len(_numbers(self.rules[name]))

    def _index(self, rules, number):
        return min(at for at in range(len(rules)) if len(_numbers(rules[: at + 1])) >= number)

    def _write(self):
        for name, rules in self.rules.items():
            lines = ["*filter", "### RULES ###"]
            for action, protocol, ports, source, from_port, application, comment in rules:
                line = "### tuple ### %s %s %s %s %s %s" % (action, protocol, ports, ANY[name], from_port, source)
                line += " %s - in" % application if application else " in"
                line += " comment=" + binascii.hexlify(comment.encode()).decode() if comment else ""
                lines += ["", line, "-A ufw-user-input -p tcp -j ACCEPT"]
            self.host.files["/etc/ufw/" + name] = "\n".join(lines) + "\n### END RULES ###\n"


def _as_ufw(source):
    """Return a network as ufw writes it: as the C library does, and a host without its prefix."""
    if "/" not in source and not source[:1].isdigit() and ":" not in source:
        return source
    network = ipaddress.ip_network(source)
    family = socket.AF_INET if network.version == 4 else socket.AF_INET6
    text = socket.inet_ntop(family, network.network_address.packed)
    return text if network.prefixlen == network.max_prefixlen else "%s/%d" % (text, network.prefixlen)


def _numbers(rules):
    """Return what is numbered: the rules of one application and source together."""
    return {(one[5], one[3]) if one[5] else at for at, one in enumerate(rules)}
