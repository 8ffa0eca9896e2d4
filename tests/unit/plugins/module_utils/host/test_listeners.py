"""What the kernel says of addresses and sockets."""

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.host.listeners import Network

HEAD = "  sl  local_address rem_address   st\n"
# 0.0.0.0:25, 127.0.0.1:10025, 192.0.2.25:587, and a connection that nobody listens on.
TCP = (
    "   0: 00000000:0019 00000000:0000 0A 0\n   1: 0100007F:2729 00000000:0000 0A 0\n"
    "   2: 190200C0:024B 00000000:0000 0A 0\n   3: 190200C0:01D1 00000000:0000 01 0\n"
)
TCP6 = "   0: 00000000000000000000000000000000:01D1 00000000000000000000000000000000:0000 0A 0\n"
TRIE = (
    "Local:\n  |-- 127.0.0.1\n     /32 host LOCAL\n  |-- 192.0.2.0\n     /32 link BROADCAST\n"
    "  |-- 192.0.2.25\n     /32 host LOCAL\n"
)
IF6 = (
    "00000000000000000000000000000001 01 80 10 80       lo\n"
    "fe800000000000000000000000000001 02 40 20 80     eth0\n"
    "20010db8002500000000000000000025 02 40 00 80     eth0\n"
)


@pytest.fixture
def root(tmp_path):
    (tmp_path / "net").mkdir()

    def write(**files):
        for name, text in files.items():
            (tmp_path / "net" / name).write_text(text)
        return Network(str(tmp_path))

    return write


def test_addresses_without_loopback_and_links(root):
    network = root(fib_trie=TRIE, if_inet6=IF6)
    assert [str(one) for one in network.addresses] == ["192.0.2.25", "2001:db8:25::25"]


def test_who_listens(root):
    network = root(tcp=HEAD + TCP, tcp6=HEAD + TCP6)
    assert [(str(address), port) for address, port in network.listening] == [
        ("0.0.0.0", 25),
        ("::", 465),
        ("192.0.2.25", 587),
        ("127.0.0.1", 10025),
    ]
    assert network.listens(25) and network.is_open(25)
    assert network.listens(10025) and not network.is_open(10025)
    assert not network.listens(26)


def test_where_a_stranger_would_ask(root):
    network = root(tcp=HEAD + TCP, tcp6=HEAD + TCP6, fib_trie=TRIE, if_inet6=IF6)
    assert {port: str(network.where_to_ask(port)) for port in (25, 465, 587, 10025, 26)} == {
        25: "192.0.2.25",
        465: "192.0.2.25",
        587: "192.0.2.25",
        10025: "127.0.0.1",
        26: "127.0.0.1",
    }


def test_a_host_without_anything(root):
    network = root()
    assert (network.addresses, network.listening) == ([], [])
    assert str(network.where_to_ask(25)) == "127.0.0.1"


@pytest.mark.parametrize(
    "trusted, asked",
    [
        ({"192.0.2.25": True, "2001:db8:25::25": False}, "2001:db8:25::25"),
        ({"192.0.2.25": True, "2001:db8:25::25": None}, "2001:db8:25::25"),
        ({"192.0.2.25": None, "2001:db8:25::25": False}, "2001:db8:25::25"),
        ({"192.0.2.25": True, "2001:db8:25::25": True}, "192.0.2.25"),
    ],
)
def test_an_address_that_is_not_trusted_is_asked_first(root, trusted, asked):
    network = root(tcp6=HEAD + TCP6, fib_trie=TRIE, if_inet6=IF6)
    assert str(network.where_to_ask(465, lambda address: trusted[str(address)])) == asked
