"""Rules of ufw: what is planned is carried out by a double of ufw, and then looked at."""

import ipaddress
import random

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.firewall.ufw import RATE, Ufw
from ansible_collections.mailops.rescue.plugins.module_utils.firewall.wanted import Rate, Wanted
from tests.support.fake_host import ANY, FakeHost, FakeUfw

OFFICE, HOME, OFFICE6, ELSEWHERE = "192.0.2.0/24", "198.51.100.7/32", "2001:db8::/48", "203.0.113.0/24"


@pytest.fixture
def ufw():
    return FakeUfw(FakeHost())


def wanted(*networks, ports=(465, 587), action="drop", rate=None):
    return Wanted(list(ports), [ipaddress.ip_network(one) for one in networks], action, rate)


def plan(ufw, what):
    return Ufw(ufw.host).plan(what)


def carry_out(ufw, what):
    """Do what is planned, twice: the second time there is nothing to do."""
    planned = plan(ufw, what)
    steps = planned["reset"] + planned["add"] + planned["remove"]
    ufw.apply(steps)
    again = plan(ufw, what)
    assert (again["reset"], again["add"], again["remove"]) == ([], [], [])
    return steps


def test_everyone_was_let_in_before(ufw):
    ufw.add("allow", "587")
    ufw.add("allow", "465,587")
    ufw.add("allow", "22")
    carry_out(ufw, wanted(OFFICE, OFFICE6))
    assert [ufw.verdict(OFFICE, port) for port in (465, 587)] == ["allow", "allow"]
    assert [ufw.verdict(ELSEWHERE, port) for port in (465, 587, 22)] == ["deny", "deny", "allow"]
    assert ufw.verdict(OFFICE6, 587, "user6.rules") == "allow"
    assert ufw.verdict("2001:db8:1::/48", 587, "user6.rules") == "deny"


def test_no_moment_keeps_out_who_is_let_in(ufw):
    for step in plan(ufw, wanted(OFFICE, HOME))["add"]:
        ufw.apply([step])
        assert ufw.verdict(OFFICE, 587) in (None, "allow")
    for step in plan(ufw, None)["remove"]:
        ufw.apply([step])
        assert ufw.verdict(OFFICE, 587) in (None, "allow")


def test_nothing_is_left(ufw):
    ufw.add("allow", "465,587")
    ufw.add("deny", "465,587", OFFICE)
    ufw.add("allow", "25", name="user6.rules")
    before = dict(ufw.host.files)
    carry_out(ufw, wanted(OFFICE, OFFICE6))
    assert ufw.host.files != before
    carry_out(ufw, None)
    assert ufw.host.files == before


def test_another_list(ufw):
    carry_out(ufw, wanted(OFFICE, HOME))
    assert len(carry_out(ufw, wanted(OFFICE, ELSEWHERE))) == 2
    assert [ufw.verdict(one, 587) for one in (OFFICE, HOME, ELSEWHERE)] == ["allow", "deny", "allow"]


def test_another_action_and_rate(ufw):
    carry_out(ufw, wanted(OFFICE))
    carry_out(ufw, wanted(OFFICE, action="reject", rate=RATE))
    assert (ufw.verdict(OFFICE, 587), ufw.verdict(ELSEWHERE, 587)) == ("limit", "reject")


def test_all_of_ipv4_and_back(ufw):
    carry_out(ufw, wanted("0.0.0.0/0", OFFICE))
    assert (ufw.verdict(ELSEWHERE, 587), ufw.verdict("2001:db8::/48", 587, "user6.rules")) == ("allow", "deny")
    carry_out(ufw, wanted(OFFICE))
    assert (ufw.verdict(ELSEWHERE, 587), ufw.verdict(OFFICE, 587)) == ("deny", "allow")


def test_other_ports(ufw):
    carry_out(ufw, wanted(OFFICE, ports=(22, 587)))
    carry_out(ufw, wanted(OFFICE))
    assert (ufw.verdict(ELSEWHERE, 22), ufw.verdict(ELSEWHERE, 465)) == (None, "deny")


@pytest.mark.parametrize(
    "foreign",
    [
        {"ports": "587"},
        {"ports": "500:600"},
        {"ports": "any"},
        {"ports": "587", "protocol": "any"},
        {"ports": "any", "application": "Mail"},
    ],
)
def test_somebody_lets_in_everyone_above(ufw, foreign):
    carry_out(ufw, wanted(OFFICE))
    ufw.add("allow", at=0, **foreign)
    assert ufw.verdict(ELSEWHERE, 587) == "allow"
    carry_out(ufw, wanted(OFFICE))
    assert ufw.verdict(ELSEWHERE, 587) == "deny"


@pytest.mark.parametrize("foreign", [{"ports": "22"}, {"ports": "587", "protocol": "udp"}])
def test_what_is_above_and_lets_in_elsewhere_stays(ufw, foreign):
    carry_out(ufw, wanted(OFFICE))
    ufw.add("allow", at=0, **foreign)
    assert carry_out(ufw, wanted(OFFICE)) == []


def test_what_keeps_out_above_stays(ufw):
    carry_out(ufw, wanted(OFFICE))
    ufw.add("deny", "587", OFFICE, at=0)
    assert carry_out(ufw, wanted(OFFICE)) == []
    assert ufw.verdict(OFFICE, 587) == "deny"


@pytest.mark.parametrize(
    "network",
    [
        "198.51.100.7",
        "198.51.100.7/32",
        "2001:db8:1::7",
        "2001:DB8:1:0:0::7/128",
        "::192.0.2.0/120",
        "::c000:200/120",
        "::c000:207/128",
        "0.0.0.0/1",
        "8000::/1",
        "2001:db8:0:1:1:1:1:1/128",
        "2001:db8:587::a:0/112",
    ],
)
@pytest.mark.parametrize("rate", [None, RATE])
def test_who_is_let_in_stays_in(ufw, network, rate):
    """However ufw writes the network: the second and third run change nothing."""
    name = "user6.rules" if ":" in network else "user.rules"
    for _run in range(3):
        carry_out(ufw, wanted(network, rate=rate))
        assert ufw.verdict(network, 587, name) == ("limit" if rate else "allow")
        assert plan(ufw, wanted(network, rate=rate))["add"] == []
    carry_out(ufw, wanted(OFFICE, OFFICE6))
    assert ufw.verdict(network, 587, name) == "deny"
    carry_out(ufw, None)
    assert ufw.rules == {"user.rules": [], "user6.rules": []}


def test_any_state_is_finished_and_undone(ufw):
    """Foreign rules of all kinds, and plans of which some steps were carried out."""
    chance = random.Random(25465)
    networks = [
        OFFICE,
        HOME,
        ELSEWHERE,
        OFFICE6,
        "2001:db8:1::/48",
        "2001:db8::7/128",
        "::c000:200/120",
        "0.0.0.0/0",
        "::/0",
    ]
    for _round in range(300):
        ufw = FakeUfw(FakeHost())
        for _rule in range(chance.randrange(6)):
            name = chance.choice(list(ANY))
            source = chance.choice([one for one in networks if (":" in one) == (name == "user6.rules")])
            rule = [chance.choice(["allow", "deny", "limit"]), chance.choice(["22", "587", "465:600", "any"]), source]
            application = chance.choice(["", "", "Mail", "Web"])
            if not any(one[:4] == [rule[0], "tcp", rule[1], source] for one in ufw.rules[name]):
                ufw.add(*rule, name=name, application=application)
        before = {name: list(rules) for name, rules in ufw.rules.items()}
        for _run in range(3):
            what = wanted(
                *chance.sample(networks, chance.randrange(1, 4)),
                ports=chance.choice([(465, 587), (587,)]),
                action=chance.choice(["drop", "reject"]),
                rate=chance.choice([None, RATE]),
            )
            planned = plan(ufw, what)
            steps = planned["reset"] + planned["add"] + planned["remove"]
            ufw.apply(steps[: chance.randrange(len(steps) + 1)])
        carry_out(ufw, what)
        let_in = "limit" if what.rate else "allow"
        for name, others in ANY.items():
            sources = [str(one) for one in what.networks if (one.version == 6) == (name == "user6.rules")]
            # What an administrator keeps out above stays out.
            assert {ufw.verdict(one, 587, name) for one in sources} <= {let_in, "deny"}
            if others not in sources:
                assert ufw.verdict("nobody's", 587, name) in ("deny", "reject")
        carry_out(ufw, None)
        assert ufw.rules == before


def test_without_ipv6():
    ufw = FakeUfw(FakeHost(), ipv6="no")
    Ufw(ufw.host).check(wanted(OFFICE))
    assert {step["from_ip"] for step in carry_out(ufw, wanted(OFFICE))} == {OFFICE, "0.0.0.0/0"}
    with pytest.raises(RescueError, match=r"\Aallowed_networks: ufw drops all of IPv6 .* 2001:db8::/48"):
        Ufw(ufw.host).check(wanted(OFFICE, OFFICE6))


def test_one_rate(ufw):
    Ufw(ufw.host).check(wanted(OFFICE, rate=RATE))
    with pytest.raises(RescueError, match=r"\Arate_limit: ufw knows one rate, 12/minute .*got 20/minute"):
        Ufw(ufw.host).check(wanted(OFFICE, rate=Rate(20, "minute")))


def test_not_installed():
    assert plan(FakeUfw(FakeHost()), None)["active"]
    assert Ufw(FakeHost()).plan(None) == {"active": False, "reset": [], "add": [], "remove": []}


def test_a_line_that_is_no_rule(ufw):
    ufw.host.files["/etc/ufw/user.rules"] = "### tuple ### allow\n"
    with pytest.raises(RescueError, match="cannot be understood"):
        Ufw(ufw.host)
