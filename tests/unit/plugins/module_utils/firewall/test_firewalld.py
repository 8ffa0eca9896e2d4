"""Rich rules of firewalld: what is there, and what is to be."""

import ipaddress

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.firewall.firewalld import Firewalld
from ansible_collections.mailops.rescue.plugins.module_utils.firewall.wanted import Rate, Wanted
from tests.support.fake_host import FakeHost

ZONES = "/etc/firewalld/zones/"
LISTING = "firewall-cmd --list-all-zones"
ALLOW = 'rule priority="-25465" family="ipv4" source address="192.0.2.0/24" port port="587" protocol="tcp" accept'
DENY = 'rule priority="-25464" port port="587" protocol="tcp" drop'
FOREIGN = 'rule priority="-25465" family="ipv4" source address="192.0.2.9" drop'

SHIPPED = """<?xml version="1.0" encoding="utf-8"?>
<zone>
  <short>Public</short>
  <service name="ssh"/>
  <forward/>
</zone>
"""
# As firewalld 1.3 writes them: attributes in another order than in its listings.
ALLOW_XML = """  <rule family="ipv4" priority="-25465">
    <source address="192.0.2.0/24"/>
    <port port="587" protocol="tcp"/>
    <accept/>
  </rule>
"""
DENY_XML = '  <rule priority="-25464">\n    <port port="587" protocol="tcp"/>\n    <drop/>\n  </rule>\n'


def zone(*rules, more=""):
    return SHIPPED.replace("  <forward/>", "".join(rules) + more + "  <forward/>")


def host(listing, files=(), status=0):
    made = FakeHost(files, {LISTING: (status, listing)}, ["firewall-cmd"])
    made.files["/usr/lib/firewalld/zones/public.xml"] = SHIPPED
    return made


def listed(*zones):
    """Zones as (head, rules...)."""
    parts = []
    for head, *rules in zones:
        lines = [head, "  target: default", "  interfaces: eth0", "  rich rules: "] + ["\t" + rule for rule in rules]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def wanted(*networks, ports=(587,), rate=None, action="drop"):
    return Wanted(list(ports), [ipaddress.ip_network(one) for one in networks], action, rate)


def pairs(rules):
    return [(one["zone"], one["rule"]) for one in rules]


def test_rules_are_added_where_packets_may_come_by():
    """The default zone, active ones, and those that are given something in the configuration."""
    found = host(
        listed(("home",), ("public",), ("work (active)",)),
        {ZONES + "dmz.xml": '<zone><source address="192.0.2.0/25"/></zone>', ZONES + "home.xml": "<zone/>"},
    )
    plan = Firewalld(found).plan(wanted("192.0.2.0/24"))
    assert plan["running"]
    # Who is let in comes first: a run over SSH is never kept out in between.
    assert pairs(plan["add"]) == [(name, rule) for name in ("dmz", "public", "work") for rule in (ALLOW, DENY)]
    assert plan["remove"] == []


def test_the_default_zone_of_the_host():
    found = host(listed(("public",)), {"/etc/firewalld/firewalld.conf": "# DefaultZone=x\nDefaultZone=work\n"})
    assert {name for name, rule in pairs(Firewalld(found).plan(wanted("192.0.2.0/24"))["add"])} == {"work"}


def test_what_is_there_is_left_alone():
    found = host(listed(("public (default, active)", ALLOW, DENY)), {ZONES + "public.xml": zone(ALLOW_XML, DENY_XML)})
    plan = Firewalld(found).plan(wanted("192.0.2.0/24"))
    assert (plan["add"], plan["remove"]) == ([], [])


@pytest.mark.parametrize(("runtime", "permanent"), [([ALLOW], [ALLOW_XML, DENY_XML]), ([ALLOW, DENY], [ALLOW_XML])])
def test_half_of_a_rule_is_completed(runtime, permanent):
    found = host(listed(("public", *runtime)), {ZONES + "public.xml": zone(*permanent)})
    assert pairs(Firewalld(found).plan(wanted("192.0.2.0/24"))["add"]) == [("public", DENY)]


def test_what_is_no_longer_wanted_goes():
    """What keeps others out goes first; so do rules in a zone that is no longer in use."""
    found = host(
        listed(("public", ALLOW, DENY, FOREIGN), ("work", DENY)), {ZONES + "public.xml": zone(ALLOW_XML, DENY_XML)}
    )
    plan = Firewalld(found).plan(wanted("198.51.100.0/24"))
    assert len(plan["add"]) == 1
    assert {(name, frozenset(rule.split())) for name, rule in pairs(plan["remove"])} == {
        ("public", frozenset(ALLOW.split())),
        ("work", frozenset(DENY.split())),
    }
    absent = pairs(Firewalld(found).plan(None)["remove"])
    assert ["-25464" in rule for name, rule in absent] == [True, True, False]


def test_rates_actions_and_everybody():
    plan = Firewalld(host(listed(("public",)))).plan(
        wanted("0.0.0.0/0", "2001:db8::/48", ports=(465, 587), rate=Rate(20, "minute"), action="reject")
    )
    assert [rule for name, rule in pairs(plan["add"])] == [
        'rule priority="-25465" family="ipv4" port port="465" protocol="tcp" accept limit value="20/m"',
        'rule priority="-25465" family="ipv4" port port="587" protocol="tcp" accept limit value="20/m"',
        'rule priority="-25465" family="ipv6" source address="2001:db8::/48" port port="465" protocol="tcp" accept'
        ' limit value="20/m"',
        'rule priority="-25465" family="ipv6" source address="2001:db8::/48" port port="587" protocol="tcp" accept'
        ' limit value="20/m"',
        'rule priority="-25464" port port="465" protocol="tcp" reject',
        'rule priority="-25464" port port="587" protocol="tcp" reject',
    ]


def test_a_rate_in_a_file():
    limited = ALLOW_XML.replace("<accept/>", '<accept>\n      <limit value="20/m"/>\n    </accept>')
    rule = ALLOW + ' limit value="20/m"'
    found = host(listed(("public", rule, DENY)), {ZONES + "public.xml": zone(limited, DENY_XML)})
    assert Firewalld(found).plan(wanted("192.0.2.0/24", rate=Rate(20, "minute")))["add"] == []


def test_no_file_is_left():
    """firewalld copies a zone to /etc for a rule, and keeps the version before each change."""
    found = host(
        listed(("public", ALLOW)), {ZONES + "public.xml": zone(ALLOW_XML), ZONES + "public.xml.old": zone(DENY_XML)}
    )
    assert Firewalld(found).plan(None)["leftovers"] == [ZONES + "public.xml", ZONES + "public.xml.old"]
    # Killed after the copy was removed.
    found = host(listed(("public",)), {ZONES + "public.xml.old": SHIPPED})
    assert Firewalld(found).plan(None)["leftovers"] == [ZONES + "public.xml.old"]


def test_what_an_administrator_changed_is_left():
    changed = zone(ALLOW_XML, more='  <service name="smtp"/>\n')
    found = host(listed(("public", ALLOW)), {ZONES + "public.xml": changed, ZONES + "public.xml.old": changed})
    assert Firewalld(found).plan(None)["leftovers"] == [ZONES + "public.xml.old"]
    found = host(listed(("public",)), {ZONES + "public.xml": SHIPPED, ZONES + "home.xml.old": "<zone/>"})
    assert Firewalld(found).plan(None)["leftovers"] == []


def test_stopped_since():
    found = host("", {ZONES + "public.xml": zone(ALLOW_XML, DENY_XML), ZONES + "broken.xml": "<zone"}, status=252)
    plan = Firewalld(found).plan(None)
    assert not plan["running"]
    assert len(plan["remove"]) == 2


def test_not_installed():
    plan = Firewalld(FakeHost()).plan(None)
    assert plan == {"running": False, "add": [], "remove": [], "leftovers": []}
