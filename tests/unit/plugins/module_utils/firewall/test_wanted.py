"""Who may reach which ports, as it may and may not be written."""

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.firewall.wanted import Rate, read_wanted


def read(**options):
    given = {
        "ports": [587, 465],
        "allowed_networks": ["192.0.2.0/24"],
        "allow_nobody": False,
        "allow_documentation_networks": True,
        "action": "drop",
        "rate_limit": "",
    }
    given.update(options)
    return read_wanted(given)


def test_networks_are_sorted_and_spelt_alike():
    wanted = read(allowed_networks=["2001:DB8:0::/48", "192.0.2.7", "0.0.0.0/0", "::1", "10.0.0.0/8"])
    assert [str(one) for one in wanted.networks] == [
        "0.0.0.0/0",
        "10.0.0.0/8",
        "192.0.2.7/32",
        "::1/128",
        "2001:db8::/48",
    ]
    assert wanted.ports == [465, 587]
    assert wanted.rate is None


@pytest.mark.parametrize(
    "text",
    [
        "192.0.2.0/24",
        "192.0.2.7",
        "198.51.100.0/25",
        "203.0.113.255/32",
        "2001:DB8::/32",
        "2001:db8:1::7",
        "3fff::/20",
        "3fff:fff::1",
    ],
)
def test_networks_of_examples_are_refused_unless_they_are_meant(text):
    with pytest.raises(RescueError, match=r"\Aallowed_networks: expected .* allow_documentation_networks\.\Z"):
        read(allowed_networks=["10.0.0.0/8", text], allow_documentation_networks=False)
    assert len(read(allowed_networks=["10.0.0.0/8", text]).networks) == 2


@pytest.mark.parametrize("text", ["192.0.3.0/24", "192.0.0.0/16", "0.0.0.0/0", "2001:db9::/32", "::/0", "4000::/20"])
def test_networks_beside_or_around_those_of_examples_are_taken(text):
    assert len(read(allowed_networks=[text], allow_documentation_networks=False).networks) == 1


def test_nobody_must_be_said():
    with pytest.raises(RescueError, match="^allowed_networks: .*allow_nobody"):
        read(allowed_networks=[])
    assert read(allowed_networks=[], allow_nobody=True).networks == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "192.0.2.0/",
        "192.0.2.0/33",
        "2001:db8::/129",
        "192.0.2.0/-1",
        "192.0.2.0/2 4",
        "192.0.2/24",
        "192.0.2.0/255.255.255.0",
        "192.0.2.0/0.0.0.255",
        "192.0.2.010",
        "192.0.2.0/64x",
        "mail.example.com",
        "any",
        "fe80::1%eth0",
        "fe80::1%eth0/64",
        " 192.0.2.0/24",
        "192.0.2.0/24 accept",
        "192.0.2.0/24\n",
        "3221225984",
        "192.0.2.0/\u0662\u0664",
        "192.0.2.0-192.0.2.9",
        "x" * 5000,
    ],
)
def test_what_is_no_network(text):
    with pytest.raises(RescueError, match=r"\Aallowed_networks: expected an IPv4 or IPv6 network [^\n]*\.\Z") as raised:
        read(allowed_networks=["192.0.2.0/24", text])
    assert len(str(raised.value)) < 250


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("192.0.2.1/24", "write 192.0.2.0/24 or 192.0.2.1."),
        ("2001:db8::1/64", "write 2001:db8::/64 or 2001:db8::1."),
        ("::ffff:192.0.2.0/120", "write 192.0.2.0/24."),
        ("::ffff:192.0.2.7", "write 192.0.2.7/32."),
    ],
)
def test_what_is_nearly_one_is_put_right(text, hint):
    with pytest.raises(RescueError) as raised:
        read(allowed_networks=[text])
    assert str(raised.value).startswith("allowed_networks: expected ")
    assert str(raised.value).endswith(hint)


def test_all_of_ipv4_written_as_ipv6():
    with pytest.raises(RescueError, match="IPv4 written as such"):
        read(allowed_networks=["::ffff:0.0.0.0/96"])


@pytest.mark.parametrize("pair", [("192.0.2.7", "192.0.2.7/32"), ("2001:db8::/32", "2001:DB8:0::/32")])
def test_a_network_twice(pair):
    with pytest.raises(RescueError, match="allowed_networks: expected each network once, got %s and %s" % pair):
        read(allowed_networks=list(pair))


@pytest.mark.parametrize("ports", [[], [0], [65536], [-1], [587, 587], list(range(1, 17))])
def test_what_is_no_list_of_ports(ports):
    with pytest.raises(RescueError, match=r"\Aports: expected [^\n]*\.\Z"):
        read(ports=ports)


def test_rates():
    assert read(rate_limit="20/minute").rate == Rate(20, "minute")
    for text in ("0/minute", "10001/second", "20/m", "20", "20/day", "-1/hour", "20/minute\n", "often", "1e3/hour"):
        with pytest.raises(RescueError, match=r"\Arate_limit: expected [^\n]*\.\Z"):
            read(rate_limit=text)
