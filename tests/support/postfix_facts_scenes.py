"""Runs inside a container: mta_facts on a real Postfix, with tables as the field has them. Prints, as JSON, what went
wrong in each scene, or null.

    python3 -m tests.support.postfix_facts_scenes
"""

import json
import os
import subprocess
import traceback

from ansible_collections.mailops.rescue.plugins.module_utils.engines import mta_facts

PARAMETERS = {
    "mta": "postfix",
    "queue_directory": None,
    "config_directory": None,
    "home": None,
    "quarantine": None,
    "smtp_port": 25,
    "ports": [587],
    "allowed_networks": [],
    "allow_nobody": False,
    "allow_documentation_networks": False,
    "firewall_action": "drop",
    "firewall_rate_limit": "",
    "firewall_backend": "auto",
    "limits": [],
    "known_catchalls": [],
    "double_bounces": "unchanged",
}
ENTRIES = "@shop.example boss@example.net\ninfo@shop.example box@shop.example\n@other.example x@example.net\n"


def postfix(**values):
    settings = {"virtual_alias_domains": "shop.example", "mydestination": "", "virtual_alias_maps": "", **values}
    subprocess.run(["postconf", "-e"] + ["%s=%s" % pair for pair in settings.items()], check=True)


def table(path, text=ENTRIES, kind="hash"):
    with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
    if kind in ("hash", "btree", "lmdb"):
        subprocess.run(["postmap", "%s:%s" % (kind, path)], check=True)
    return "%s:%s" % (kind, path)


def look():
    found = mta_facts.find(PARAMETERS)
    assert found["postfix"]["error"] is None, found["postfix"]["error"]
    return found


def catchalls(**values):
    postfix(**values)
    found = look()
    return [one["domain"] for one in found["catchalls"]["unknown"]], found["postfix"]["unreadable"]


def kinds_of_tables():
    for kind in ("hash", "btree", "texthash"):
        name = table("/etc/postfix/virtual-" + kind, kind=kind)
        assert catchalls(virtual_alias_maps=name) == (["@shop.example"], []), kind
    assert catchalls(virtual_alias_maps="inline:{@shop.example=a@example.net}") == (["@shop.example"], [])
    assert catchalls(virtual_alias_maps="static:boss@example.net")[0] == ["@shop.example"]


def no_catchall():
    name = table("/etc/postfix/virtual-none", "info@shop.example box@example.net\n")
    assert catchalls(virtual_alias_maps=name) == ([], [])


def a_table_that_is_not_there():
    name = table("/etc/postfix/virtual-there")
    found, unreadable = catchalls(virtual_alias_maps="hash:/etc/postfix/gone, " + name)
    assert found == ["@shop.example"]
    assert [one.partition(": ")[0] for one in unreadable] == ["hash:/etc/postfix/gone"]
    assert "No such file" in unreadable[0]


def odd_bytes():
    name = table(os.fsdecode(b"/etc/postfix/virtual-\xe9\xff"), "@shop.example b\u00e9@example.net\n")
    assert catchalls(virtual_alias_maps=name)[0] == ["@shop.example"]


def thousands_of_domains():
    names = ["d%d.example" % number for number in range(3000)]
    name = table("/etc/postfix/virtual-many", "".join("@%s x@example.net\n" % one for one in names))
    found, unreadable = catchalls(virtual_alias_domains="shop.example " + " ".join(names), virtual_alias_maps=name)
    assert len(found) == 50 and not unreadable


def tables_that_nobody_asks():
    """Of servers that are down, and types that are not installed: the rest is still known."""
    with open("/etc/postfix/ldap.cf", "w") as file:
        file.write("server_host = ldap://127.0.0.1:1\nsearch_base = dc=example\n")
    maps = "ldap:/etc/postfix/ldap.cf, proxy:mysql:/etc/postfix/none.cf, regexp:/etc/postfix/none"
    assert catchalls(virtual_alias_maps=maps) == ([], [])


def aliases():
    table("/etc/aliases", "postmaster: root\nnull: /dev/null\n", "texthash")
    subprocess.run(["newaliases"], check=True)
    values = {"luser_relay": "null", "local_recipient_maps": "", "alias_maps": "hash:/etc/aliases"}
    postfix(mydestination="mail.example.com", **values)
    luser = look()["postfix"]["luser"]
    assert (luser["target"], luser["discards"]) == ("/dev/null", True), luser


SCENES = (
    kinds_of_tables,
    no_catchall,
    a_table_that_is_not_there,
    odd_bytes,
    thousands_of_domains,
    tables_that_nobody_asks,
    aliases,
)


def main():
    # Nobody runs it here as a service.
    subprocess.run(["postfix", "start"], check=True)
    found = {}
    for scene in SCENES:
        try:
            scene()
            found[scene.__name__] = None
        except Exception:
            found[scene.__name__] = traceback.format_exc()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
