"""Where a host's own SMTP servers are asked, and whether they trust the one who asks."""

import ipaddress

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.host.listeners import Network
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.hardening.relaying import Relaying
from ansible_collections.mailops.rescue.plugins.module_utils.smtp.probe_targets import places

HERE, THERE = "192.0.2.25", "192.0.2.26"
HEAD = "  sl  local_address rem_address   st\n"


def kernel(tmp_path, *sockets):
    """A /proc with processes that listen."""
    (tmp_path / "net").mkdir()
    lines = [HEAD]
    for number, (pid, arguments, address, port) in enumerate(sockets):
        raw = ipaddress.ip_address(address).packed[::-1].hex().upper()
        lines.append(
            "%4d: %s:%04X 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 %d 1 0\n"
            % (number, raw, port, 7000 + number)
        )
        folder = tmp_path / str(pid) / "fd"
        folder.mkdir(parents=True)
        (folder.parent / "cmdline").write_bytes(b"\0".join(one.encode() for one in arguments) + b"\0")
        (folder / "3").symlink_to("socket:[%d]" % (7000 + number))
    (tmp_path / "net" / "tcp").write_text("".join(lines))
    (tmp_path / "net" / "fib_trie").write_text(
        "".join("  |-- %s\n     /32 host LOCAL\n" % one for one in (HERE, THERE, "127.0.0.1"))
    )
    return Network(str(tmp_path))


def relaying(services, own=()):
    values = {"mynetworks": "127.0.0.0/8", "smtpd_relay_restrictions": "reject_unauth_destination"}

    def effective(names, settings):
        return {name: settings.get(name, values.get(name, "")) for name in names}

    return Relaying(services, dict(own), effective)


def asked(ports, network, *more):
    return [(str(one.host), one.port, one.trusted, one.begins_tls) for one in places(ports, network, *more)]


def test_each_smtpd_of_postfix(tmp_path):
    master = ["/usr/lib/postfix/sbin/master"]
    network = kernel(
        tmp_path,
        *(
            (number, master, address, port)
            for number, (address, port) in enumerate(
                [
                    ("0.0.0.0", 25),
                    ("0.0.0.0", 2525),
                    (THERE, 2526),
                    ("127.0.0.1", 10025),
                    ("0.0.0.0", 4650),
                    ("0.0.0.0", 80),
                ],
                1,
            )
        ),
    )
    services = {
        "smtp/inet": "postscreen",
        "smtpd/pass": "smtpd",
        "2525/inet": "smtpd",
        THERE + ":2526/inet": "smtpd",
        "127.0.0.1:10025/inet": "smtpd",
        "4650/inet": "smtpd",
        "9999/inet": "smtpd",
        "smtp/unix": "smtp",
    }
    own = {
        "2525/inet/mynetworks": "192.0.2.0/24",
        "4650/inet/smtpd_tls_wrappermode": "yes",
        THERE + ":2526/inet/mynetworks": "mysql:/nets",
    }
    assert asked([25], network, relaying(services, own)) == [
        (HERE, 25, False, False),
        (HERE, 2525, True, False),
        (THERE, 2526, None, False),
        (HERE, 4650, False, True),
    ]


def test_one_port_with_services_of_several_addresses(tmp_path):
    network = kernel(tmp_path, (1, ["master"], HERE, 25), (2, ["master"], THERE, 25))
    services = {HERE + ":smtp/inet": "smtpd", THERE + ":smtp/inet": "smtpd"}
    own = {THERE + ":smtp/inet/mynetworks": "192.0.2.0/24"}
    assert asked([25], network, relaying(services, own)) == [(HERE, 25, False, False), (THERE, 25, True, False)]


def test_hundreds_of_services_are_not_all_asked(tmp_path):
    network = kernel(tmp_path, *((port, ["master"], "0.0.0.0", port) for port in range(3000, 3200)))
    found = asked([25], network, relaying({"%d/inet" % port: "smtpd" for port in range(3000, 3200)}))
    assert len(found) == 21


@pytest.mark.parametrize("program", ["/var/qmail/bin/qmail-smtpd", "qmail-smtpd"])
def test_each_qmail_smtpd(tmp_path, program):
    server = ["/usr/local/bin/tcpserver", "-x", "/etc/tcp.smtp.cdb", "0", "2525", "/usr/local/bin/rblsmtpd", program]
    network = kernel(
        tmp_path,
        (1, ["tcpserver", "0", "smtp", program], "0.0.0.0", 25),
        (2, server, "0.0.0.0", 2525),
        (3, ["sh", "-c", "exec tcpserver 0 2526 %s 2>&1" % program], "0.0.0.0", 2526),
        (4, ["tcpserver", "127.0.0.1", "2527", program], "127.0.0.1", 2527),
        (5, ["tcpserver", "0", "110", "qmail-popup"], "0.0.0.0", 110),
    )
    assert network.ports_of("qmail-smtpd") == [25, 2525, 2526, 2527]
    assert asked([25], network, None, network.ports_of("qmail-smtpd")) == [
        (HERE, 25, None, False),
        (HERE, 2525, None, False),
        (HERE, 2526, None, False),
    ]
