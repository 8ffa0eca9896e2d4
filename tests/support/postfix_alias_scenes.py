"""Runs inside a container: where a real Postfix leaves mail to unknown users once the role's plan of discarding it is
applied, for each alias_maps. Prints, as JSON, what went wrong in each scene, or null.

    python3 -m tests.support.postfix_alias_scenes
"""

import json
import os
import re
import shutil
import smtplib
import subprocess
import sys
import time
import traceback
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.config.postfix_config import configure
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.hardening import postfix_hardening_plan
from tests.support.configured import OPTIONS
from tests.support.waiting import wait_for

LABEL = "postfix_hardening"
MEMORY = Path("/var/lib/mailops-rescue/postfix_config")
LOG, MAILBOX = Path("/var/log/maillog"), Path("/var/mail/somebody")
UNKNOWN = "nobody-here@mail.example.com"
HASH = "hash:/etc/aliases"
FRONT = "expected no other map in front of"
UNASKED = "cannot be asked: "
NOT_UNDERSTOOD = "expected alias_maps to list tables"
# By alias_maps: what the module says (None: it does it), and what Postfix does with mail to an unknown user once that
# leads to an alias in /etc/aliases, whoever has made it.
MAPS = {
    HASH: (None, "gone"),
    "$alias_database": (None, "gone"),
    "proxy:" + HASH: (None, "gone"),
    HASH + ", hash:/etc/postfix/other": (None, "gone"),
    "hash:/etc/postfix/empty " + HASH: (None, "gone"),
    "regexp:/etc/postfix/others " + HASH: (None, "gone"),
    "inline:{ {a=b, c} d=e } " + HASH: (None, "gone"),
    "hash:/etc/postfix/other " + HASH: (None, "gone"),
    "regexp:/etc/postfix/patterns " + HASH: (FRONT, "delivered"),
    "texthash:/etc/postfix/words, " + HASH: (FRONT, "delivered"),
    "inline:{ {mailops-discard=somebody} } " + HASH: (FRONT, "delivered"),
    "hash:/etc/postfix/stale " + HASH: (None, "gone"),
    "texthash:/etc/postfix/words": ("expected a map of type hash", "delivered"),
    "regexp:/etc/postfix/gone " + HASH: (UNASKED, "deferred"),
    HASH + " regexp:/etc/postfix/gone": (UNASKED, "deferred"),
    "nosuchtype:/etc/postfix/x " + HASH: (UNASKED, "deferred"),
    "cdb:/etc/postfix/other " + HASH: ("postalias cdb:/etc/postfix/other failed", "deferred"),
    HASH + " regexp:/etc/postfix/everyone": ("has an entry for everyone", "delivered"),
    "{ %s }" % HASH: (NOT_UNDERSTOOD, "deferred"),
    "hash:$nowhere/etc/aliases": (None, "gone"),
}
FILES = {
    "other": "mailops-discard: somebody\n",
    "empty": "",
    "others": "/^nothing/ somebody\n",
    "patterns": "/^mailops-/ somebody\n",
    "words": "mailops-discard somebody\n",
    "stale": "mailops-discard: somebody\n",
    "unbuilt": "mailops-discard: somebody\n",
    "everyone": "!/^(owner-)?somebody$/ somebody\n",
}


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def harden(**options):
    """Do what the role does; return the sentence where it is refused."""
    params = {
        "config_directory": None,
        "remember": LABEL,
        "unknown_recipients": "discard",
        "discard_alias": "mailops-discard",
        "domain": "",
        "rate_limits": None,
        "tls_auth_only": False,
        "auth_on_port_25": True,
        "relay_restrictions": False,
    }
    wanted = dict(OPTIONS, remember=LABEL, **options)
    try:
        if not options:
            plan = postfix_hardening_plan.plan(params)
            wanted.update(parameters=plan["parameters"], aliases=plan["aliases"])
        with reload_seen():
            return configure(wanted, False)
    except RescueError as error:
        return str(error)


@contextmanager
def reload_seen():
    """Wait until master(8) has done what it was told inside, so that no session begins under the former settings."""

    def count():
        return LOG.read_text().count("reload --") if LOG.exists() else 0

    before = count()
    yield
    end = time.monotonic() + 5
    while count() == before and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(0.2)


def undo():
    return harden(state="absent")


def by_hand():
    with open("/etc/aliases", "a") as file:
        file.write("mailops-discard: /dev/null\n")
    run("postalias", HASH)
    run("postconf", "-e", "local_recipient_maps=", "luser_relay=mailops-discard@mail.example.com")
    with reload_seen():
        run("postfix", "reload")


def state():
    kept = list(MEMORY.iterdir()) if MEMORY.exists() else []
    return [
        path.read_bytes() for path in map(Path, ("/etc/postfix/main.cf", "/etc/postfix/master.cf", "/etc/aliases"))
    ] + [(path.name, path.read_bytes()) for path in kept]


def fate():
    """Send a message to an unknown user; return what has become of it."""
    LOG.write_text("")
    MAILBOX.write_text("")
    with smtplib.SMTP("127.0.0.1", timeout=60) as session:
        session.ehlo()
        session.docmd("MAIL FROM:<somebody@mail.example.com>")
        code = session.docmd("RCPT TO:<%s>" % UNKNOWN)[0]
        if code != 250:
            return "refused" if code == 550 else "put off"
        assert session.data(b"Subject: x\r\n\r\nx\r\n")[0] == 250
    end = time.monotonic() + 60
    while True:
        statuses = re.findall(r"postfix/local\[.*to=<(\S+?)>.* status=(\w+) \((.*)\)", LOG.read_text())
        if statuses and (statuses[-1][1] == "deferred" or run("postqueue", "-p").startswith("Mail queue is empty")):
            break
        assert time.monotonic() < end, LOG.read_text()
        time.sleep(0.1)
    run("postsuper", "-d", "ALL")
    if [status for _to, status, _why in statuses] == ["sent"] and statuses[0][2] == "delivered to file: /dev/null":
        assert MAILBOX.read_text() == ""
        return "gone"
    return statuses[0][1] if statuses[0][1] != "sent" else "delivered"


def expect(wanted):
    found = fate()
    assert found == wanted, (found, LOG.read_text())


def with_maps(maps):
    run("postconf", "-e", "alias_maps=" + maps)
    with reload_seen():
        run("postfix", "reload")


def scene_maps(maps):
    says, does = MAPS[maps]
    with_maps(maps)
    before = state()
    said = harden()
    if says is None:
        assert said["changed"], said
        expect(does)
        undo()
        assert state() == before
    else:
        assert isinstance(said, str) and says in said, said
        assert state() == before
        by_hand()
        expect(does)


def scene_without_an_index():
    with_maps(HASH)
    os.unlink("/etc/aliases.db")
    assert harden()["changed"]
    expect("gone")


def scene_with_a_map_in_front_that_has_no_index():
    with_maps("hash:/etc/postfix/unbuilt " + HASH)
    expect("put off")
    assert harden()["changed"]
    expect("gone")


def scene_with_an_index_that_is_stale():
    with_maps(HASH)
    with open("/etc/aliases", "a") as file:
        file.write("mailops-discard: /dev/null\n")
    assert harden()["changed"]
    expect("gone")


def scene_with_an_index_that_cannot_be_made():
    with_maps(HASH)
    os.unlink("/etc/aliases.db")
    os.mkdir("/etc/aliases.db")
    before = state()
    said = harden()
    assert isinstance(said, str) and "postalias" in said, said
    assert state() == before
    os.rmdir("/etc/aliases.db")
    assert harden()["changed"]
    expect("gone")


def scene_with_a_map_put_in_front_later():
    with_maps(HASH)
    assert harden()["changed"]
    expect("gone")
    with_maps("hash:/etc/postfix/other " + HASH)
    expect("delivered")
    said = harden()
    assert isinstance(said, str) and FRONT in said, said
    assert undo()["changed"]
    expect("refused")
    assert list(MEMORY.iterdir()) == []


def scene_with_the_map_gone_later():
    with_maps(HASH)
    assert harden()["changed"]
    with_maps("hash:/etc/postfix/empty")
    expect("bounced")
    said = harden()
    assert isinstance(said, str) and "expected alias_maps to have" in said, said
    assert undo()["changed"]
    expect("refused")
    assert list(MEMORY.iterdir()) == []


def set_up():
    run("useradd", "somebody")
    run(
        "postconf",
        "-e",
        "maillog_file=/var/log/maillog",
        "inet_protocols=ipv4",
        "smtpd_peername_lookup=no",
        "myhostname=mail.example.com",
        "mydestination=mail.example.com",
        "alias_database=" + HASH,
        "mailbox_command=",
        "smtpd_delay_reject=yes",
    )
    for name, text in FILES.items():
        Path("/etc/postfix", name).write_text(text)
    for name in ("other", "empty", "stale"):
        run("postalias", "hash:/etc/postfix/" + name)
    Path("/etc/postfix/stale").write_text("")
    MAILBOX.touch()
    shutil.chown(MAILBOX, "somebody", "mail")
    Path("/etc/aliases").write_text("postmaster: root\nroot: somebody\n")
    run("postfix", "start")
    wait_for(LOG.exists)


def clean():
    """Begin anew, whatever a scene has left."""
    shutil.rmtree(MEMORY, ignore_errors=True)
    if os.path.isdir("/etc/aliases.db"):
        os.rmdir("/etc/aliases.db")
    Path("/etc/aliases").write_text("postmaster: root\nroot: somebody\n")
    run("postalias", HASH)
    run("postconf", "-X", "luser_relay", "local_recipient_maps")


def scenes():
    own = {name[6:]: scene for name, scene in globals().items() if name.startswith("scene_") and name != "scene_maps"}
    return dict({maps: (lambda maps=maps: scene_maps(maps)) for maps in MAPS}, **own)


def main():
    set_up()
    results = {}
    chosen = sys.argv[1:] or scenes()
    for name in chosen:
        clean()
        try:
            scenes()[name]()
            results[name] = None
        except Exception:
            results[name] = traceback.format_exc()[-3000:]
    print(json.dumps(results))


if __name__ == "__main__":
    os.environ["PATH"] += ":/usr/sbin"
    main()
