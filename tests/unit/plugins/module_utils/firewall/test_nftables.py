"""Our table: what nft itself makes of it, where there is one."""

import ipaddress
import itertools
import shutil
import subprocess

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.firewall import nftables
from ansible_collections.mailops.rescue.plugins.module_utils.firewall.wanted import Rate, Wanted
from tests.support.fake_host import FakeHost

LIST = "nft list table inet mailops_submission"
CHECK = "nft -c -f -"


def wanted(*networks, ports=(465, 587), action="drop", rate=None):
    return Wanted(list(ports), [ipaddress.ip_network(one) for one in networks], action, rate)


def test_the_table():
    text, mark = nftables.render(wanted("192.0.2.0/24", "192.0.2.7/32", "2001:db8::/48", rate=Rate(20, "minute")))
    assert text.splitlines()[1:] == [
        "table inet mailops_submission",
        "delete table inet mailops_submission",
        "table inet mailops_submission {",
        "\tset allowed4 {",
        "\t\ttype ipv4_addr",
        "\t\tflags interval",
        "\t\telements = { 192.0.2.0/24 }",
        "\t}",
        "\tset clients4 {",
        "\t\ttype ipv4_addr",
        "\t\tsize 65535",
        "\t\tflags dynamic,timeout",
        "\t\ttimeout 2m",
        "\t}",
        "\tset allowed6 {",
        "\t\ttype ipv6_addr",
        "\t\tflags interval",
        "\t\telements = { 2001:db8::/48 }",
        "\t}",
        "\tset clients6 {",
        "\t\ttype ipv6_addr",
        "\t\tsize 65535",
        "\t\tflags dynamic,timeout",
        "\t\ttimeout 2m",
        "\t}",
        "\tchain input {",
        "\t\ttype filter hook input priority -5; policy accept;",
        '\t\tiifname != "lo" tcp dport { 465, 587 } jump submission',
        "\t}",
        "\tchain submission {",
        "\t\tip saddr @allowed4 ct state new update @clients4 { ip saddr limit rate over"
        " 20/minute burst 20 packets } drop",
        "\t\tip saddr @allowed4 accept",
        "\t\tip6 saddr @allowed6 ct state new update @clients6 { ip6 saddr and ffff:ffff:ffff:ffff:: limit rate over"
        " 20/minute burst 20 packets } drop",
        "\t\tip6 saddr @allowed6 accept",
        "\t\tdrop " + mark,
        "\t}",
        "}",
    ]


def test_no_two_have_one_mark():
    networks = [(), ("192.0.2.0/24",), ("2001:db8::/48",)]
    variants = list(
        itertools.product(
            networks, [(587,), (465, 587)], ["drop", "reject"], [None, Rate(20, "minute"), Rate(20, "hour")]
        )
    )
    texts = [nftables.render(wanted(*one, ports=two, action=three, rate=four)) for one, two, three, four in variants]
    assert len({mark for text, mark in texts}) == len({text for text, mark in texts})


def test_nothing_is_loaded_twice():
    what = wanted("192.0.2.0/24")
    text, mark = nftables.render(what)
    host = FakeHost({}, {CHECK: (0, ""), LIST: (0, "table {\n drop %s\n}" % mark)}, ["nft"])
    plan = nftables.plan(host, what)
    assert (plan["load"], plan["live"], plan["table"]) == (False, True, text)
    assert host.inputs == [None, text.encode()]
    assert nftables.plan(host, wanted("192.0.2.0/25"))["load"]
    # Somebody flushed all tables.
    host.answers[LIST] = (1, "")
    assert nftables.plan(host, what)["load"]


def test_what_nft_refuses():
    host = FakeHost({}, {CHECK: (1, "")}, ["nft"])
    with pytest.raises(RescueError, match=r"\Anft refuses the table, .*: no such answer\.\Z"):
        nftables.plan(host, wanted("192.0.2.0/24"))


def test_without_nft():
    plan = nftables.plan(FakeHost(), wanted("192.0.2.0/24"))
    assert (plan["installed"], plan["load"], plan["found"]) == (False, True, False)
    assert not nftables.plan(FakeHost(), None)["found"]


@pytest.mark.parametrize("path", [nftables.FILE, nftables.UNIT_FILE])
def test_each_trace_is_found(path):
    assert nftables.plan(FakeHost({path: ""}), None)["found"]
    assert nftables.plan(FakeHost({}, {LIST: (0, "table")}, ["nft"]), None)["found"]


@pytest.mark.skipif(not shutil.which("nft"), reason="nft is not installed")
@pytest.mark.parametrize("networks", [(), ("0.0.0.0/0",), ("::/0", "2001:db8::/48"), ("192.0.2.0/24", "192.0.2.9/32")])
@pytest.mark.parametrize("rate", [None, Rate(10000, "second"), Rate(1, "hour")])
def test_nft_takes_it(networks, rate):
    text, unused = nftables.render(wanted(*networks, rate=rate, action="reject"))
    done = subprocess.run(["nft", "-c", "-f", "-"], input=text.encode(), stderr=subprocess.PIPE, check=False)
    if b"not permitted" in done.stderr:
        pytest.skip("nft needs root")
    assert done.returncode == 0, done.stderr.decode()
