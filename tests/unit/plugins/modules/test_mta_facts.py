"""mta_facts as Ansible runs it, on a made-up qmail, and what its engine makes of a Postfix."""

import hashlib
import ipaddress
import os

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.engines import mta_facts
from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.postfix import facts as postfix_facts
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.hardening.client_lists import Networks
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.hardening.relaying import Relaying
from tests.support.documents import documents
from tests.support.modules import run_module
from tests.support.qmail_home import QmailHome
from tests.support.qmail_queue import QmailQueue


@pytest.fixture
def home(tmp_path):
    home = QmailHome(tmp_path / "qmail", virtual=("example.com:example.com", "example.org:shop"))
    home.vpopmail("example.com")
    os.rmdir(home.path / "queue")
    QmailQueue(home.path / "queue", split=3)
    return home


def look(home, **options):
    queue = str(home.path / "queue")
    status, result = run_module("mta_facts", mta="qmail", home=str(home.path), queue_directory=queue, **options)
    assert status == 0, result
    return result


def digest(path):
    found = hashlib.sha256()
    for directory, below, names in os.walk(path):
        below.sort()
        for name in sorted(names):
            status = os.stat(os.path.join(directory, name))
            found.update(repr((directory, name, status.st_ino, status.st_mode, status.st_mtime_ns)).encode())
    return found.hexdigest()


def test_result_has_what_is_documented(home):
    returned = documents("mta_facts")["RETURN"]
    result = look(home)
    assert set(result) - {"invocation", "changed"} == set(returned)
    for part in ("qmail", "firewall", "quarantine", "catchalls"):
        assert set(result[part]) == set(returned[part]["contains"]), part
    assert set(result["invocation"]["module_args"]) == set(documents("mta_facts")["DOCUMENTATION"]["options"])


def test_what_a_qmail_does_with_mail_to_nobody(home):
    (home.path / "alias" / ".qmail-default").write_bytes(b"# one line\n/dev/null\n")
    found = look(home)["qmail"]
    assert found["null_lines"] == [str(home.path / "alias" / ".qmail-default")]
    bouncing = {one["domain"]: one["does"] for one in found["bouncing"]}
    assert bouncing["example.com"] == "vdelivermail bounce-no-mailbox"
    assert "mail.example.com" not in bouncing
    assert found["double_bounces"]["as_wanted"] is False
    assert found["double_bounces"]["address"] == "postmaster@mail.example.com"
    assert found["rcpthosts"] is False


def test_domains_that_would_bounce_are_to_be_asked(home):
    domains = {address.partition("@")[2] for address in look(home)["recipients"]}
    assert {"example.com", "mail.example.com"} <= domains


def test_many_domains_are_asked_in_several_sessions(tmp_path):
    virtual = ["d%d.example:d%d" % (n, n) for n in range(20)] + ["weird domain:w", "m\u00fcnchen.example:m"]
    home = QmailHome(tmp_path / "qmail", virtual=virtual)
    os.rmdir(home.path / "queue")
    QmailQueue(home.path / "queue", split=3)
    result = look(home)
    sessions = [one["recipients"] for one in result["probes"] if one["port"] == 25]
    assert sum(sessions, []) == result["recipients"] and max(map(len, sessions)) == 7
    domains = {one.partition("@")[2] for one in result["recipients"]}
    assert len(domains) >= 20 and "weird domain" not in domains
    assert result["qmail"]["bouncing_count"] > len(domains)


def test_a_catchall_that_cannot_be_read_is_named(home):
    (home.path / "alias" / ".qmail-default").symlink_to("/dev/null")
    found = look(home)["qmail"]
    assert found["null_line_count"] == 0 and "mail.example.com" in found["unreadable"][0]


def test_catchalls_are_known_by_pattern(home):
    (home.path / "alias" / ".qmail-default").write_bytes(b"&somebody@example.net\n")
    unknown = look(home)["catchalls"]
    assert "mail.example.com" in [one["domain"] for one in unknown["unknown"]]
    known = look(home, known_catchalls=["*.example.com", "example.org"])["catchalls"]
    assert (known["count"], known["unknown_count"]) == (unknown["count"], 0)


def test_nothing_changes(home):
    before = digest(home.path)
    look(home)
    assert digest(home.path) == before


def test_one_part_that_cannot_be_read_hides_no_other(home):
    (home.path / "users" / "cdb").write_bytes(b"broken")
    result = look(home)
    assert "users/cdb" in result["qmail"]["error"]
    assert result["quarantine"]["batches"] == 0
    assert result["catchalls"] is None


def test_a_network_that_is_none_is_named_in_its_part():
    class Open:
        @staticmethod
        def is_open(port):
            return port == 587

    params = {
        "ports": [587],
        "allowed_networks": ["192.0.2.1/24"],
        "allow_nobody": False,
        "allow_documentation_networks": True,
        "firewall_action": "drop",
        "firewall_rate_limit": "",
        "firewall_backend": "nftables",
    }
    found = mta_facts._firewall(params, None, Open)
    assert "allowed_networks: expected a network" in found["error"]
    assert found["loaded"] is None


class Postfix:
    """What postconf and postalias say."""

    def __init__(self, luser, aliases=None):
        self.luser, self.aliases = luser, aliases or {}

    def values(self, names):
        return {"luser_relay": self.luser}

    def alias(self, name, maps):
        return self.aliases.get(name)

    def lookup(self, table, name):
        return table == "static:lmtp"


@pytest.mark.parametrize(
    "luser, aliases, more, effective, discards",
    [
        ("", {}, {}, False, False),
        ("gone@a.example", {"gone": "/dev/null"}, {}, True, True),
        ("gone@a.example", {"gone": "/dev/null"}, {"local_recipient_maps": "hash:/users"}, False, False),
        ("gone@a.example", {"gone": "/dev/null"}, {"fallback_transport": "smtp:x"}, False, False),
        ("gone@a.example", {"gone": "/dev/null"}, {"local_transport": "lmtp:x"}, False, False),
        ("gone@a.example", {"gone": "/dev/null"}, {"mailbox_transport_maps": "static:lmtp"}, False, False),
        ("gone@a.example", {"gone": "/dev/null"}, {"mailbox_transport_maps": "hash:/some"}, True, True),
        ("gone@a.example", {"gone": "/dev/null"}, {"allow_mail_to_files": "forward"}, False, False),
        ("root", {}, {"allow_mail_to_files": "forward"}, True, False),
        ("nobody-has-this@a.example", {}, {}, False, False),
        ("root", {}, {}, True, False),
        ("box@elsewhere.example", {}, {}, True, False),
        ("$user@elsewhere.example", {}, {}, True, False),
    ],
)
def test_luser_relay(luser, aliases, more, effective, discards):
    values = {
        "luser_relay": luser,
        "mydestination": "a.example",
        "alias_maps": "hash:/etc/aliases",
        "local_transport": "local:x",
        "allow_mail_to_files": "alias, forward",
        **more,
    }
    found = postfix_facts._luser(values, Postfix(luser, aliases), {"local/unix": "local", "lmtp/unix": "lmtp"})
    assert (found["effective"], found["discards"]) == (effective, discards)


def test_luser_relay_with_an_alias_that_cannot_be_asked_for(monkeypatch):
    def alias(self, name, maps):
        assert maps == ["hash:/etc/aliases", "inline:{ {a=b, c} }"]
        raise RescueError("aliases: hash:/etc/aliases cannot be asked: no such file.")

    monkeypatch.setattr(Postfix, "alias", alias)
    values = {
        "luser_relay": "gone",
        "alias_maps": "hash:/etc/aliases, inline:{ {a=b, c} }",
        "local_transport": "local:x",
        "allow_mail_to_files": "alias",
    }
    found = postfix_facts._luser(values, Postfix("gone"), {"local/unix": "local"})
    assert (found["target"], found["effective"], found["discards"]) == (None, False, False)


@pytest.mark.parametrize(
    "networks, address, trusted",
    [
        ("127.0.0.0/8 [2001:db8::]/32", "2001:db8::1", True),
        ("127.0.0.0/8 [2001:db8::]/32", "192.0.2.1", False),
        ("!192.0.2.1 192.0.2.0/24", "192.0.2.1", False),
        ("!192.0.2.1 192.0.2.0/24", "192.0.2.2", True),
        # What stands in these, nobody has read.
        ("127.0.0.0/8 hash:/etc/networks", "192.0.2.1", None),
        ("/etc/networks", "192.0.2.1", None),
    ],
)
def test_whom_mynetworks_trusts(networks, address, trusted):
    assert Networks(networks).holds(ipaddress.ip_address(address)) is trusted


@pytest.mark.parametrize(
    "networks, everyone",
    [
        ("0.0.0.0/1, 128.0.0.0/1", ["0.0.0.0/1", "128.0.0.0/1"]),
        ("[::]/0 0.0.0.0/0", ["[::]/0", "0.0.0.0/0"]),
        ("81.0.0.0/8", ["81.0.0.0/8"]),
        ("10.0.0.0/7 static:all !0.0.0.0/0", ["10.0.0.0/7", "static:all"]),
        ("127.0.0.0/8 10.0.0.0/8 [fe80::]/10 [fc00::]/7 172.16.0.0/12 192.168.0.0/16", []),
        ("81.2.0.0/16 [2a00:1::]/32 hash:/n", []),
    ],
)
def test_networks_of_everyone(networks, everyone):
    assert Relaying({}, {}, lambda names, settings: {"mynetworks": networks}).everyone == everyone


def test_domains_that_take_mail_to_anybody():
    values = {
        "mydestination": "a.example",
        "relay_domains": "a.example b.example hash:/d",
        "relay_recipient_maps": "",
        "virtual_mailbox_domains": "c.example",
        "virtual_mailbox_maps": "",
    }
    found = postfix_facts._bouncing(values)
    assert [(one["domain"], one["path"]) for one in found["bouncing"]] == [
        ("b.example", "relay_domains"),
        ("c.example", "virtual_mailbox_domains"),
    ]
    assert found["bouncing_count"] == 2
    named = dict(values, relay_recipient_maps="hash:/r", virtual_mailbox_maps="hash:/v")
    assert postfix_facts._bouncing(named)["bouncing"] == []


def test_soft_bounce_of_a_service():
    own = {"smtp/inet/soft_bounce": "Yes", "submission/inet/soft_bounce": "no"}
    assert postfix_facts._soft_bounce({"soft_bounce": "No"}, own) == ["smtp/inet"]
    assert postfix_facts._soft_bounce({"soft_bounce": "YES"}, {}) == ["main.cf"]


def test_limits_that_are_off():
    values = {"smtpd_client_message_rate_limit": "0", "smtpd_client_auth_rate_limit": "20", "myhostname": "0"}
    own = {"submission/inet/smtpd_client_auth_rate_limit": "0"}
    assert postfix_facts._limits(values, own) == {
        "smtpd_client_message_rate_limit": ["main.cf"],
        "smtpd_client_auth_rate_limit": ["submission/inet"],
    }


def test_whom_no_limit_holds_for():
    name = "smtpd_client_event_limit_exceptions"
    assert postfix_facts._unlimited({name: "127.0.0.0/8 [2001:db8::]/32"}, {"smtp/inet/myhostname": "0.0.0.0/0"}) == []
    own = {"smtp/inet/" + name: "static:all"}
    assert postfix_facts._unlimited({name: "127.0.0.0/8, 0.0.0.0/0"}, own) == ["0.0.0.0/0", "static:all"]
