"""Runs inside a container: postfix_config on a real Postfix. Prints, as JSON, what went wrong in each scene, or null.

python3 -m tests.support.postfix_config_scenes
"""

import itertools
import json
import os
import smtplib
import socket
import subprocess
import sys
import time
import traceback
from pathlib import Path

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.config.logical_lines import NamedValues
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.config.master_cf import Overrides, Services
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.config.postfix_config import configure as work
from tests.support.configured import OPTIONS
from tests.support.faults import killed

MAIN, MASTER, ALIASES = Path("/etc/postfix/main.cf"), Path("/etc/postfix/master.cf"), Path("/etc/aliases")
MEMORY = Path("/var/lib/mailops-rescue/postfix_config")
WAIT = 60
ODD = """\
2525      inet  n       -       n       -       -       smtpd
  -o syslog_name=postfix/odd
  -o { smtpd_client_restrictions = permit_mynetworks, reject }
# -o smtpd_helo_required=no
  -o smtpd_helo_required=yes -o smtpd_banner=${myhostname?{$myhostname}:{x}}
"""
WANTED = {
    "remember": "scene",
    "parameters": {
        "smtpd_banner": "$myhostname ESMTP scene",
        "local_recipient_maps": "",
        "mynetworks": None,
        "mydestination": "$myhostname, localhost",
    },
    "services": {"2526/inet": {"private": "n", "chroot": "n", "command": "smtpd"}},
    "service_parameters": {"2526/inet/smtpd_banner": "$myhostname ESMTP other port"},
    "aliases": {"mailops-discard": "/dev/null"},
}
ABSENT = {"remember": "scene", "state": "absent"}


def configure(check_mode=False, **options):
    """Return postfix_config's result, or the sentence in its place."""
    try:
        return dict(work(dict(OPTIONS, **options), check_mode), status=0)
    except RescueError as error:
        return {"status": 1, "msg": str(error)}


def texts():
    return [path.read_bytes() for path in (MAIN, MASTER, ALIASES)]


def postfix(*arguments):
    command = ["/usr/sbin/" + arguments[0], *arguments[1:]]
    return subprocess.run(command, capture_output=True, check=False).stdout.decode()


def banner(port=25):
    """Return what port says, or None where nobody answers."""
    try:
        with socket.create_connection(("127.0.0.1", port), 10) as connection:
            return connection.recv(1000).decode().strip()
    except OSError:
        return None


def wait(condition):
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end, "not within %d seconds" % WAIT
        time.sleep(0.2)


def scene_round_trip():
    before, said = texts(), banner()
    foretold = configure(True, **WANTED)
    assert texts() == before and not MEMORY.exists()
    result = configure(**WANTED)
    assert result["status"] == 0 and result["changed"] and result["reloaded"], result
    assert result == foretold
    wait(lambda: "ESMTP scene" in banner())
    wait(lambda: "other port" in (banner(2526) or ""))
    assert postfix("postalias", "-q", "mailops-discard", "hash:/etc/aliases") == "/dev/null\n"
    again = configure(**WANTED)
    assert not again["changed"] and not again["reloaded"], again
    assert configure(**ABSENT)["changed"]
    assert texts() == before and list(MEMORY.iterdir()) == []
    wait(lambda: banner() == said)
    wait(lambda: banner(2526) is None)
    assert postfix("postalias", "-q", "mailops-discard", "hash:/etc/aliases") == ""


def scene_previous():
    before = texts()
    options = {name: value for name, value in WANTED.items() if name != "remember"}
    options["parameters"] = dict(options["parameters"])
    # Without a label, what is removed comes back at the end of the file.
    del options["parameters"]["mynetworks"]
    previous = configure(**options)["previous"]
    configure(**previous)
    assert texts() == before


def scene_bad_input():
    before = texts()
    bad = [
        {"parameters": {"nonsense": 1}},
        {"parameters": {"default_process_limit": "abc"}},
        {"parameters": {"x y": 1}},
        {"parameters": {"biff": "a\nb"}},
        {"aliases": {"a b": "x"}},
        {"service_parameters": {"x/inet/biff": "x"}},
        {"service_parameters": {"smtp/inet/nonsense": "x"}},
        {"instance": "nobody"},
        {"config_directory": "/etc"},
        {"services": {"x/inet": {"chroot": "q", "command": "smtpd"}}},
        {"parameters": {"queue_directory": "/nowhere"}},
        {"config_directory": "/etc/postfix", "instance": "-"},
        {"parameters": {"alias_maps": "x"}, "remember": "a b"},
        {"parameters": {"mail_owner": "nobody-at-all"}},
        {"parameters": {"inet_interfaces": "no.such.host.invalid"}},
    ]
    for options in bad:
        result = configure(**options)
        assert result["status"] == 1, (options, result)
        sentence = result["msg"]
        assert sentence.split(":")[0].split(".")[0] in options and sentence.endswith("."), sentence
        assert "\n" not in sentence and len(sentence) < 500 and "Traceback" not in sentence, sentence
        assert texts() == before, options


def scene_a_configuration_that_does_not_parse():
    before = texts()
    for path, line in (
        (MAIN, b"garbage\n"),
        (MASTER, b"bad line\n"),
        (MASTER, b"x inet n - q - - smtpd\n"),
        (MAIN, b"default_process_limit = abc\n"),
    ):
        path.write_bytes(path.read_bytes() + line)
        broken = texts()
        for check_mode in (True, False):
            result = configure(check_mode, parameters={"biff": True})
            assert result["status"] == 1 and "as they are: " in result["msg"], result
            assert texts() == broken
        path.write_bytes(before[(MAIN, MASTER).index(path)])
    assert MAIN.read_bytes() == before[0]
    MAIN.write_bytes(b"  leading = blank\n" + before[0])
    assert configure(parameters={"biff": True})["status"] == 1
    MAIN.write_bytes(before[0])


def scene_what_stands_there_already_is_borne():
    before = MAIN.read_bytes()
    MAIN.write_bytes(before + b"nobody_knows_it = 1\nbiff = no\nbiff = yes\nn\xe4me_of_my_own = $x\n")
    result = configure(parameters={"biff": "no", "smtpd_banner": "caf\u00e9 $myhostname"})
    assert result["status"] == 0, result
    assert postfix("postconf", "-h", "biff").strip() == "no"
    assert "caf\u00e9".encode() in MAIN.read_bytes() and b"n\xe4me_of_my_own" in MAIN.read_bytes()
    assert configure(parameters={"nobody_knows_it": 2})["status"] == 1
    MAIN.write_bytes(before)


def scene_what_postfix_warned_of_before_comes_back():
    before = texts()
    MAIN.write_bytes(before[0] + b"nobody_knows_it = 1\nmailbox_command = $undefined_here\n")
    MASTER.write_bytes(before[1] + b"2527 inet n - n - - smtpd\n  -o nobody_else_does=1\n")
    odd = texts()
    removed = {
        "parameters": {"nobody_knows_it": None, "mailbox_command": ""},
        "service_parameters": {"2527/inet/nobody_else_does": None},
    }
    for undone in (ABSENT, {"remember": "scene", "parameters": {"biff": False}}):
        assert configure(**dict(removed, remember="scene"))["changed"]
        assert configure(True, **undone)["status"] == 0
        assert configure(**undone)["status"] == 0
        configure(**ABSENT)
        assert texts() == odd
    MAIN.write_bytes(before[0])
    MASTER.write_bytes(before[1])


def scene_read_as_postfix_reads():
    before = texts()
    MASTER.write_bytes(before[1] + ODD.encode())
    odd = b"mynetworks = 127.0.0.0/8,\n# no\n  [::1]/128\n  \n\t10.0.0.0/8\nbiff=yes\nbiff =\tno\n"
    MAIN.write_bytes(before[0] + odd)
    overrides = Overrides(Services(MASTER.read_text()))
    ours = {"%s = %s" % (name, overrides.get(name)) for name in overrides.names()}
    assert ours == set(postfix("postconf", "-P").splitlines())
    services = Services(MASTER.read_text())
    assert services.names() == ["/".join(line.split()[:2]) for line in postfix("postconf", "-M").splitlines()]
    main = NamedValues(MAIN.read_text())
    for line in postfix("postconf", "-n").splitlines():
        name, _, value = line.partition(" =")
        if name != "config_directory":
            assert main.get(name).split() == value.split(), line
    MAIN.write_bytes(before[0])
    MASTER.write_bytes(before[1])


def scene_stopped():
    postfix("postfix", "stop")
    try:
        result = configure(parameters={"biff": "yes"})
        assert result["changed"] and not result["reloaded"], result
        assert not configure(parameters={"biff": "yes"})["changed"]
        configure(parameters=result["previous"]["parameters"])
    finally:
        start()


def scene_killed():
    """At some of the calls that change the disk; then the same again, or absent."""
    before, said = texts(), banner()
    for number in itertools.count(2, 8):
        if not killed(lambda options: work(options, False), dict(OPTIONS, **WANTED), number, "after"):
            break
        if number % 16 == 2:
            configure(**ABSENT)
        else:
            assert configure(**WANTED)["status"] == 0
            wait(lambda: "ESMTP scene" in banner())
            wait(lambda: "other port" in (banner(2526) or ""))
            assert postfix("postalias", "-q", "mailops-discard", "hash:/etc/aliases") == "/dev/null\n", number
            assert not configure(**WANTED)["changed"], number
            configure(**ABSENT)
        assert texts() == before, number
        wait(lambda: banner() == said)
        wait(lambda: banner(2526) is None)
        assert postfix("postalias", "-q", "mailops-discard", "hash:/etc/aliases") == "", number
    assert number > 20, number
    configure(**ABSENT)


def scene_instances():
    postfix("postmulti", "-e", "init")
    postfix("postmulti", "-I", "postfix-out", "-e", "create")
    both = texts()
    result = configure(instance="postfix-out", parameters={"biff": True}, remember="out")
    assert (result["status"], result["instance"]) == (0, "postfix-out"), result
    assert result["config_directory"] == "/etc/postfix-out" and not result["reloaded"]
    assert texts() == both
    other = configure(config_directory="/etc/postfix", parameters={"biff": "yes"}, remember="out")
    assert other["status"] == 0 and other["reloaded"], other
    assert configure(remember="out", state="absent")["changed"] and texts() == both
    assert "biff = yes" in Path("/etc/postfix-out/main.cf").read_text()
    assert configure(config_directory="/etc/postfix-out", remember="out", state="absent")["changed"]
    assert "biff = yes" not in Path("/etc/postfix-out/main.cf").read_text()
    assert configure(instance="nobody")["status"] == 1


def scene_mail_flows_afterwards():
    with smtplib.SMTP("127.0.0.1", timeout=60) as session:
        assert session.helo("mail.example.com")[0] == 250


def start():
    postfix("postfix", "start")
    wait(lambda: banner() is not None)


def main():
    MAIN.write_text(MAIN.read_text() + "maillog_file = /var/log/maillog\n")
    postfix("postalias", "hash:/etc/aliases")
    start()
    found = {}
    for name, scene in list(globals().items()):
        if name.startswith("scene_"):
            try:
                scene()
                found[name[6:]] = None
            except Exception:
                found[name[6:]] = traceback.format_exc()[-3000:]
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    os.environ["PATH"] += ":/usr/sbin"
    sys.exit(main())
