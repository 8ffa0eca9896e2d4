"""Which content filters a configuration names."""

import pwd

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.host import programs
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.config.content_filters import (
    filters_of,
    find_filters,
)
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.config.master_cf import Services
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.config.tables import Tables

MASTER = """\
smtp inet n - n - - smtpd
filter unix - n n - 10 pipe
  flags=Rq user=nobody:nogroup null_sender= argv=/usr/local/bin/filter -f ${sender} -- ${recipient}
numeric unix - n n - 10 pipe user=4711 argv=/bin/x
nowhere unix - n n - 10 pipe user=nobody-of-this-name argv=/bin/x
scan unix - - n - 10 smtp -o smtp_send_xforward_command=yes
"""


def found(values=(), own=(), directory=None):
    tables = None if directory is None else Tables(str(directory))
    return filters_of(dict(values), dict(own), Services(MASTER), tables)


@pytest.mark.parametrize(
    ("values", "own", "destinations"),
    [
        ({"content_filter": ""}, {"10026/inet/content_filter": ""}, set()),
        ({"content_filter": "scan:[127.0.0.1]:10025"}, {}, {"scan:[127.0.0.1]:10025"}),
        ({}, {"smtp/inet/content_filter": "filter:dummy"}, {"filter:dummy"}),
        ({"smtpd_proxy_filter": "127.0.0.1:10024"}, {}, {"127.0.0.1:10024"}),
        ({}, {"smtp/inet/smtpd_proxy_filter": "inet:127.0.0.1:10024"}, {"inet:127.0.0.1:10024"}),
        ({"content_filter": "a:"}, {"smtp/inet/smtpd_proxy_filter": "b"}, {"a:", "b"}),
        ({"smtpd_milters": "inet:localhost:11332"}, {}, set()),
    ],
)
def test_destinations(values, own, destinations):
    assert found(values, own).destinations == destinations


@pytest.mark.parametrize(
    ("destination", "uids"),
    [
        ("filter:dummy", {pwd.getpwnam("nobody").pw_uid}),
        ("numeric:", {4711}),
        ("nowhere:", set()),
        ("scan:[127.0.0.1]:10025", set()),
        ("absent:", set()),
    ],
)
def test_user_of_a_filter(destination, uids):
    assert found({"content_filter": destination}).uids == uids


@pytest.mark.parametrize("name", ["header_checks", "body_checks", "smtpd_sender_restrictions", "untrusted"])
@pytest.mark.parametrize("own", [False, True])
def test_action_in_a_table(tmp_path, name, own):
    (tmp_path / "table").write_text("# FILTER no:no\n/^Subject: x/ DUNNO\n/./\n  filter scan:[127.0.0.1]:10025\n")
    value = "permit_mynetworks, check_sender_access regexp:%s/table inet:127.0.0.1:9 regexp:/absent" % tmp_path
    values = {"smtpd_restriction_classes": "untrusted"}
    services = {}
    if own:
        services["smtp/inet/" + name] = value
    else:
        values[name] = value
    assert found(values, services, tmp_path).destinations == {"scan:[127.0.0.1]:10025"}
    assert found({"smtpd_milters": value}, {}, tmp_path).destinations == set()


def test_names():
    values = {"myhostname": "Mail.Example.com", "mail_name": "A (B)"}
    result = found(values, {"10026/inet/myhostname": "in.example.com"})
    assert (result.hosts, result.products) == ({b"mail.example.com", b"in.example.com"}, {b"A (B)"})


@pytest.mark.parametrize("script", ["exit 1", "exit 0", "echo x"])
def test_postfix_that_cannot_be_asked(tmp_path, monkeypatch, script):
    monkeypatch.setattr(programs, "PATH", str(tmp_path))
    assert find_filters(str(tmp_path)) is None
    for name in ("postconf", "postmulti"):
        (tmp_path / name).write_text("#!/bin/sh\n%s\n" % script)
        (tmp_path / name).chmod(0o755)
    assert find_filters(str(tmp_path)) is None
    assert find_filters(str(tmp_path), [str(tmp_path)]) is None
