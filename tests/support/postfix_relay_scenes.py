"""Runs inside a container: what a real Postfix does with a client that wants to relay, and what mta_facts says of it.
Prints, as JSON, what went wrong in each scene, or null.

    python3 -m tests.support.postfix_relay_scenes
"""

import json
import smtplib
import subprocess
import time
import traceback

from ansible_collections.mailops.rescue.plugins.module_utils.firewall.host import Host
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.config.master_cf import Overrides, Services
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.config.postconf import Postfix
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.config.tables import Tables
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.hardening import postfix_hardening_plan
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.hardening.relaying import Relaying

DIRECTORY = "/etc/postfix"
RECIPIENT = ",reject_unauth_destination"
FILES = {
    "nets": "# all\n0.0.0.0/0\n",
    "halves": "0.0.0.0/1\n\t128.0.0.0/1\n",
    "nested": "10.0.0.0/8\n/etc/postfix/nets\n",
    "cidr": "192.0.2.0/24 x\n0.0.0.0/0 REJECT\n",
    "but": "!192.0.2.0/24 x\n",
    "neighbours": "10.0.0.0/8\n",
    "hashed": "0.0.0.0/0 x\n127 x\n127.0.0 x\n",
    "ok": "127.0.0.1 OK\n",
    "octets": "127 OK\n",
    "digits": "127.0.0.1 550\n",
    "no": "127.0.0.1 550 no\n",
    "pcre": "/^a@/ OK\n",
}
# What a service sets for itself; whether it relays for 127.0.0.1, None where Postfix does not start it or where that
# client is no stranger; and what is said of it: "open" (by its restrictions, or as it trusts everyone), "closed" or
# "unknown". mynetworks of main.cf is 10.0.0.0/8.
SERVICES = [
    ("", False, "closed"),
    ("-o mynetworks=0.0.0.0/0", True, "open"),
    ("-o { mynetworks = !192.0.2.0/24, 0.0.0.0/0 }", True, "open"),
    ("-o mynetworks=0.0.0.0/1,128.0.0.0/1", True, "open"),
    ("-o mynetworks=/etc/postfix/nets", True, "open"),
    ("-o mynetworks=/etc/postfix/halves", True, "open"),
    ("-o mynetworks=/etc/postfix/nested", True, "open"),
    ("-o mynetworks=!/etc/postfix/nets,127.0.0.0/8", False, "closed"),
    ("-o mynetworks=!!0.0.0.0/0", True, "open"),
    ("-o mynetworks=cidr:/etc/postfix/cidr", True, "open"),
    ("-o mynetworks=cidr:/etc/postfix/but", True, "open"),
    ("-o mynetworks=static:no", True, "open"),
    ("-o mynetworks=$mua_nets -o mua_nets=0.0.0.0/0", True, "open"),
    ("-o mynetworks=/etc/postfix/neighbours", False, "closed"),
    ("-o mynetworks=hash:/etc/postfix/hashed", False, "unknown"),
    ("-o mynetworks=texthash:/etc/postfix/hashed", False, "unknown"),
    ("-o mynetworks=regexp:/etc/postfix/pcre", False, "unknown"),
    ("-o smtpd_relay_restrictions=permit" + RECIPIENT, None, "open"),
    ("-o smtpd_relay_restrictions=$mua_relay -o mua_relay=static:OK" + RECIPIENT, True, "open"),
    ("-o smtpd_relay_restrictions=warn_if_reject,permit" + RECIPIENT, True, "open"),
    ("-o smtpd_relay_restrictions=check_client_access,static:OK" + RECIPIENT, True, "open"),
    ("-o smtpd_relay_restrictions=check_client_access,static:550" + RECIPIENT, True, "open"),
    ("-o smtpd_relay_restrictions=check_client_access,static:RELAY" + RECIPIENT, True, "open"),
    ("-o smtpd_relay_restrictions=static:permit" + RECIPIENT, True, "open"),
    (
        "-o smtpd_relay_restrictions=mine" + RECIPIENT + " -o smtpd_restriction_classes=mine -o mine=permit",
        True,
        "open",
    ),
    ("-o smtpd_relay_restrictions=check_client_access,static:no_class" + RECIPIENT, False, "closed"),
    ("-o smtpd_relay_restrictions=check_client_access,hash:/etc/postfix/ok" + RECIPIENT, True, "unknown"),
    ("-o smtpd_relay_restrictions=check_client_access,hash:/etc/postfix/octets" + RECIPIENT, True, "unknown"),
    ("-o smtpd_relay_restrictions=check_client_access,hash:/etc/postfix/digits" + RECIPIENT, True, "unknown"),
    ("-o smtpd_relay_restrictions=check_client_access,hash:/etc/postfix/no" + RECIPIENT, False, "closed"),
    ("-o smtpd_relay_restrictions=check_sender_access,regexp:/etc/postfix/pcre" + RECIPIENT, True, "unknown"),
    ("-o smtpd_relay_restrictions=check_sender_access,hash:/etc/postfix/gone" + RECIPIENT, False, "unknown"),
    ("-o smtpd_relay_restrictions=check_sender_mx_access,hash:/etc/postfix/ok" + RECIPIENT, False, "closed"),
    ("-o smtpd_relay_restrictions=check_sasl_access,hash:/etc/postfix/ok" + RECIPIENT, False, "closed"),
    (
        "-o smtpd_relay_restrictions=permit_auth_destination,permit_inet_interfaces,reject -o mynetworks=0.0.0.0/0",
        None,
        "closed",
    ),
    ("-o smtpd_relay_restrictions=permit_mynetworks,defer_if_permit", False, "closed"),
    ("-o smtpd_relay_restrictions=permit_sasl_authenticated,reject -o mynetworks=0.0.0.0/0", False, "closed"),
    ("-o smtpd_relay_restrictions= -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject", False, "closed"),
    (
        "-o smtpd_relay_restrictions=static:OK,reject -o smtpd_sender_restrictions=permit_sasl_authenticated,reject",
        False,
        "closed",
    ),
]
FIRST = 2500


def name(number):
    return "%d/inet" % (FIRST + number)


def set_up():
    settings = (
        "mydestination=mail.example.com",
        "mynetworks=10.0.0.0/8",
        "default_transport=smtp",
        "relay_transport=smtp",
        "smtpd_recipient_restrictions=",
        "inet_interfaces=127.0.0.1",
        "inet_protocols=ipv4",
        "smtpd_relay_restrictions=permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination",
        "smtpd_error_sleep_time=0",
        "smtpd_peername_lookup=no",
    )
    subprocess.run(["postconf", "-e", *settings], check=True)
    for path, text in FILES.items():
        with open("%s/%s" % (DIRECTORY, path), "w") as file:
            file.write(text)
    for path in ("hashed", "ok", "octets", "digits", "no"):
        subprocess.run(["postmap", "hash:%s/%s" % (DIRECTORY, path)], check=True)
    with open(DIRECTORY + "/master.cf", "a") as file:
        for number, (options, _relays, _said) in enumerate(SERVICES):
            file.write("%d inet n - n - - smtpd %s\n" % (FIRST + number, options))
    subprocess.run(["postfix", "start"], check=True)


def relays(port):
    """Tell whether a client at the loopback may send to another domain; None where it gets no answer."""
    for _attempt in range(50):
        try:
            with smtplib.SMTP("127.0.0.1", port, local_hostname="client.example", timeout=20) as session:
                session.mail("a@example.org")
                return session.rcpt("b@example.net")[0] // 100 == 2
        except ConnectionRefusedError:
            time.sleep(0.2)
    raise AssertionError("nobody listens on port %d" % port)


def said(found, number):
    if name(number) in found.lenient or any(one.endswith(" on " + name(number)) for one in found.everyone):
        return "open"
    return "unknown" if any(name(number) in one for one in found.doubts) else "closed"


def judge():
    with open(DIRECTORY + "/master.cf") as file:
        services = Services(file.read())
    overrides, host = Overrides(services), Host()
    return Relaying(
        {one: services.get(one)["command"] for one in services.names()},
        {one: overrides.get(one) for one in overrides.names()},
        Postfix(DIRECTORY).effective,
        Tables(DIRECTORY, host.run, host.read),
    )


def scene(found, number):
    _options, wanted, verdict = SERVICES[number]
    if wanted is not None:
        assert relays(FIRST + number) is wanted, "Postfix does otherwise"
    assert said(found, number) == verdict, (said(found, number), found.lenient, found.everyone, found.doubts)


def plan():
    """The role's plan names the same as mta_facts."""
    params = {
        "config_directory": None,
        "remember": "postfix_hardening",
        "unknown_recipients": "unchanged",
        "discard_alias": "mailops-discard",
        "domain": "",
        "rate_limits": None,
        "tls_auth_only": False,
        "auth_on_port_25": True,
        "relay_restrictions": True,
    }
    notes = postfix_hardening_plan.plan(params)["notes"]
    for number, (_options, _relays, verdict) in enumerate(SERVICES):
        is_named = any(name(number) in note for note in notes)
        assert is_named is (verdict != "closed"), (name(number), notes)


def main():
    set_up()
    judged = judge()
    results = {}
    tries = [(repr(one[0]), lambda number=number: scene(judged, number)) for number, one in enumerate(SERVICES)]
    for key, look in [*tries, ("plan", plan)]:
        try:
            look()
            results[key] = None
        except Exception:
            results[key] = traceback.format_exc()
    print(json.dumps(results))


if __name__ == "__main__":
    main()
