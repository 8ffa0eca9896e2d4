"""Which services of a Postfix let strangers relay. What Postfix does itself is tried in tests/integration."""

import ipaddress
import time

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.postfix.config.tables import Tables
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.hardening.client_lists import Networks
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.hardening.relaying import Relaying

SAFE = "permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination"
FILES = {
    "/nets": "# everyone\n0.0.0.0/0\n",
    "/halves": "127.0.0.0/8,\n  0.0.0.0/1 128.0.0.0/1\n",
    "/neighbours": "192.0.2.0/24\n  # A comment in between.\n10.0.0.0/8\n",
    "/nested": "127.0.0.0/8\n/further\n",
    "/further": "cidr:/cidr\n",
    "/round": "/round\n",
    "/cidr": "127.0.0.0/8 OK\n0.0.0.0/0 REJECT\n",
    "/but": "!192.0.2.0/24 x\n",
    "/if": "if 0.0.0.0/0\n10.0.0.0/8 x\nendif\n",
    "/partner": "198.51.100.7 OK\n203.0.113.0/24 REJECT\n",
    "/refusing": "198.51.100.7 REJECT\n203.0.113.0/24 dunno\n192.0.2.9 550 no\n",
    "/pcre": "/^a/ REJECT\nif /b/\n/^bob@/i OK\nendif\n",
    "/pcre-refusing": "/a\\/b/ REJECT $1\n!/c/ 550 no\n",
}
DUMPS = {
    "hash:/hashed": "192.0.2.1\tx\n192.0.2.2\tx\n",
    "hash:/networks": "0.0.0.0/0\tx\n",
    "hash:/octets": "127\tx\n",
    "hash:/names": "com\tx\n",
    "hash:/access": "198.51.100.7\tOK\n203.0.113\tREJECT\n",
    "hash:/refusing": "198.51.100.7\tREJECT\n",
}


def run(*command):
    assert command[:4] == ("postmap", "-c", "/etc/postfix", "-s"), command
    if command[4] not in DUMPS:
        return 1, "", "postmap: fatal: open database %s.db: No such file or directory\n" % command[4].partition(":")[2]
    return 0, DUMPS[command[4]], ""


TABLES = Tables("/etc/postfix", run, FILES.get)


def relaying(own=(), services=("smtp/inet",), **main):
    values = {"mynetworks": "127.0.0.0/8", "smtpd_relay_restrictions": SAFE, **main}

    def effective(names, settings):
        return {name: settings.get(name, values.get(name, "")) for name in names}

    return Relaying(dict.fromkeys(services, "smtpd"), dict(own), effective, TABLES)


@pytest.mark.parametrize(
    "networks, everyone",
    [
        ("/nets", ["0.0.0.0/0 in /nets"]),
        ("/halves", ["0.0.0.0/1 in /halves", "128.0.0.0/1 in /halves"]),
        ("/neighbours", []),
        ("/nested", ["0.0.0.0/0 in cidr:/cidr in /further"]),
        ("cidr:/cidr", ["0.0.0.0/0 in cidr:/cidr"]),
        ("proxy:cidr:/cidr", ["0.0.0.0/0 in proxy:cidr:/cidr"]),
        ("cidr:/but", ["!192.0.2.0/24 in cidr:/but"]),
        ("static:no", ["static:no"]),
        ("[::]/0", ["[::]/0"]),
        ("[2000::]/4, [3000::]/4", ["[2000::]/4", "[3000::]/4"]),
        ("!192.0.2.0/24, 0.0.0.0/0", ["0.0.0.0/0"]),
        ("!0.0.0.0/0, 81.0.0.0/8", []),
        ("0.0.0.0/1 !/nets 128.0.0.0/1", ["0.0.0.0/1"]),
        ("81.2.0.0/16, 81.3.0.0/16", ["81.2.0.0/16", "81.3.0.0/16"]),
        ("81.3.0.0/16, 81.4.0.0/16", []),
        (
            " ".join("%d.7.0.0/16 %d.9.0.0/16" % (first, first) for first in range(60, 190)),
            [
                "60.7.0.0/16",
                "60.9.0.0/16",
                "61.7.0.0/16",
                "61.9.0.0/16",
                "62.7.0.0/16",
                "62.9.0.0/16",
                "63.7.0.0/16",
                "63.9.0.0/16",
                "64.7.0.0/16",
                "64.9.0.0/16",
                "248 more",
            ],
        ),
        ("10.0.0.0/8 192.168.0.0/16 [fc00::]/7 192.0.2.0/24 mail.example.com hash:/hashed", []),
    ],
)
def test_everyone(networks, everyone):
    found = relaying(mynetworks=networks)
    assert (found.everyone, found.lenient, found.doubts) == (everyone, [], [])


@pytest.mark.parametrize(
    "networks, doubt",
    [
        ("regexp:/pcre", "mynetworks: regexp:/pcre could not be read: whom its patterns hold is not known"),
        ("mysql:/etc/postfix/nets.cf", "could not be read: tables of the type mysql are not read"),
        ("proxy:ldap:/etc/postfix/nets.cf", "could not be read: tables of the type ldap are not read"),
        ("hash:/none", "hash:/none could not be read: open database /none.db: No such file or directory"),
        ("/none", "/none could not be read: there is no such file"),
        ("/round", "files name each other"),
        ("cidr:/if", "it has conditions"),
        # Postfix looks for whole addresses, but who wrote this wanted something else.
        ("hash:/networks", "hash:/networks has 0.0.0.0/0, which no client's address is"),
        ("hash:/octets", "hash:/octets has 127, which"),
        ("hash:/names", "hash:/names has com, a name"),
        ("unknown", "unknown is a name that clients of anybody may have"),
    ],
)
def test_networks_that_nobody_knows(networks, doubt):
    found = relaying(mynetworks="127.0.0.0/8, " + networks)
    assert (found.everyone, found.lenient) == ([], [])
    (said,) = found.doubts
    assert doubt in said


def test_a_service_with_networks_of_its_own():
    own = {
        "10587/inet/mynetworks": "0.0.0.0/0",
        "10588/inet/mynetworks": "/nets",
        "10589/inet/mynetworks": "mysql:/n",
        "10590/inet/mynetworks": "0.0.0.0/0",
        "10590/inet/smtpd_helo_restrictions": "permit_sasl_authenticated, reject",
        "127.0.0.1:10591/inet/mynetworks": "0.0.0.0/0",
    }
    services = ["smtp/inet", "smtpd/pass", *(name.rpartition("/")[0] for name in own)]
    found = relaying(own, services)
    assert found.everyone == ["0.0.0.0/0 on 10587/inet", "0.0.0.0/0 in /nets on 10588/inet"]
    assert found.doubts == [
        "mynetworks on 10589/inet: mysql:/n could not be read: tables of the type mysql are not read"
    ]
    assert found.lenient == []
    assert [(one.address, one.port) for one in found.listeners] == [
        ("", "smtp"),
        ("", "10587"),
        ("", "10588"),
        ("", "10589"),
        ("", "10590"),
        ("127.0.0.1", "10591"),
    ]


@pytest.mark.parametrize(
    "restrictions, lenient",
    [
        ("permit", True),
        ("permit_mynetworks", True),
        ("permit_mynetworks, warn_if_reject reject_unauth_destination", True),
        ("warn_if_reject permit, reject_unauth_destination", True),
        ("check_client_access static:OK, reject_unauth_destination", True),
        ("check_client_access static:550, reject", True),
        ("check_client_access cidr:/cidr, reject", None),
        ("check_client_access { static:RELAY }, reject", None),
        ("static:permit, reject", True),
        ("mine, reject_unauth_destination", True),
        ("check_client_access static:mine, reject", True),
        ("check_client_access static:{550 no}", False),
        ("theirs", False),
        (SAFE, False),
        ("permit_dnswl_client list.example, REJECT_unauth_destination", False),
        ("check_sender_mx_access hash:/access, check_sasl_access hash:/access, reject", False),
        ("check_client_access hash:/refusing, check_client_access cidr:/refusing, reject_unauth_destination", False),
        ("check_sender_access pcre:/pcre-refusing, reject_unauth_destination", False),
        ("check_recipient_access inline:{a@b.example=REJECT, { c@d.example = 550 not here }}, defer", False),
        ("check_client_access hash:/access, reject_unauth_destination", None),
        ("check_client_access hash:/none, reject_unauth_destination", None),
        ("check_sender_access pcre:/pcre, reject_unauth_destination", None),
        ("check_sender_access mysql:/etc/s.cf, reject_unauth_destination", None),
        ("check_policy_service { inet:127.0.0.1:10023, timeout=10s }, reject_unauth_destination", None),
        ("check_policy_service unix:private/policy, reject_unauth_destination", None),
        ("permit_tls_all_clientcerts, reject_unauth_destination", None),
        ("perhaps, reject_unauth_destination", None),
        ("reject_unauth_destination, check_policy_service unix:private/policy", False),
    ],
)
def test_restrictions(restrictions, lenient):
    found = relaying(
        smtpd_relay_restrictions=restrictions,
        smtpd_restriction_classes="mine theirs, perhaps",
        mine="permit",
        theirs="check_client_access hash:/refusing, reject",
        perhaps="check_helo_access hash:/access",
    )
    assert bool(found.lenient) is (lenient is True), found.doubts
    assert bool(found.doubts) is (lenient is None), found.doubts
    # Whom one of both lists refuses is refused.
    second = relaying(smtpd_relay_restrictions=restrictions, smtpd_recipient_restrictions="reject_unauth_destination")
    assert not second.lenient and not second.doubts


def test_what_is_said_of_a_table_that_says_ok():
    found = relaying(smtpd_relay_restrictions="check_client_access hash:/access, reject_unauth_destination")
    assert found.doubts == ["smtp/inet: check_client_access hash:/access says OK to 198.51.100.7"]


@pytest.mark.parametrize(
    "address, holds",
    [("192.0.2.1", True), ("10.1.1.1", True), ("198.51.100.1", False), ("192.0.3.1", None), ("2001:db8::1", None)],
)
def test_whom_a_file_of_networks_holds(address, holds):
    networks = Networks("!198.51.100.0/24 /neighbours mysql:/nets.cf 192.0.3.0/24", TABLES)
    assert networks.holds(ipaddress.ip_address(address)) is holds


def test_thousands_of_networks_are_read_soon():
    many = "".join("%d.%d.%d.0/25\n" % (16 + (one >> 16), one >> 8 & 255, one & 255) for one in range(50000))
    begin = time.monotonic()
    assert Networks("/many", Tables("/etc/postfix", run, {"/many": many}.get)).everyone == []
    assert time.monotonic() - begin < 20
