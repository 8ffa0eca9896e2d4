"""What .qmail files do; tests/integration/test_qmail_hardening_live.py compares that with the real qmail-local."""

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.qmail.config.dot_qmail import (
    deleting,
    effect_of,
    runs_vdelivermail,
)

VPOPMAIL = b"| /home/vpopmail/bin/vdelivermail '' "

CASES = {
    b"": ("default delivery", True),
    b"# nothing\n": ("discards", False),
    b"#": ("discards", False),
    b"# a\n\n# b\n": ("discards", False),
    b"\n./Mailbox\n": ("defers", True),
    b" \n": ("defers", False),
    b"/dev/null\n": ("defers", False),
    b"# gone\n/dev/null  \n": ("defers", False),
    b"./Mailbox\n/dev/null\n": ("defers", True),
    b"/dev/null/\n": ("delivers", True),
    b"./Maildir/\n": ("delivers", True),
    b"/var/spool/box": ("delivers", True),
    b"&joe@example.com\n": ("forwards", True),
    b"joe\n": ("forwards", True),
    b"+list\n# x\n": ("discards", False),
    b"|preline procmail\n": ("runs a program", True),
    b"| fastforward -d /etc/aliases.cdb\n": ("runs a program", True),
    b"|true\n": ("discards", False),
    b"| /bin/true\n": ("discards", False),
    b"|cat >/dev/null\n": ("discards", False),
    b"|cat >/dev/null2\n": ("runs a program", True),
    b"|exit 0\n": ("discards", False),
    b"|exit 100\n": ("bounces", False),
    b"|exit 111\n": ("runs a program", True),
    b"|bouncesaying 'No such user'\n": ("bounces", False),
    b"| /var/qmail/bin/bouncesaying 'No longer here.'\n": ("bounces", False),
    b"|bouncesaying 'No such user' [ $SENDER ]\n": ("runs a program", True),
    b'|bouncesaying "no $(touch /tmp/x)"\n': ("runs a program", True),
    b"|bouncesaying 'no'\n./Maildir/\n": ("delivers", True),
    VPOPMAIL + b"bounce-no-mailbox\n": ("vdelivermail bounce-no-mailbox", False),
    VPOPMAIL + b"delete": ("vdelivermail delete", False),
    VPOPMAIL + b"/home/vpopmail/domains/example.com/boss\n": ("vdelivermail to a mailbox", True),
    b"| /home/vpopmail/bin/vdelivermail\n": ("runs a program", True),
    b"&joe\n" + VPOPMAIL + b"bounce-no-mailbox\n": ("vdelivermail bounce-no-mailbox", False),
}


@pytest.mark.parametrize("data", CASES)
def test_effect(data):
    assert tuple(effect_of(data)) == CASES[data]


@pytest.mark.parametrize(
    "mode, data, expected",
    [
        (0o646, b"# x\n", ("defers", False)),
        (0o646, b"./Mailbox\n", ("defers", True)),
        (0o646, b"", ("defers", True)),
        (0o664, b"# x\n", ("discards", False)),
        (0o744, b"# x\n", ("discards", False)),
        (0o744, b"./Mailbox\n", ("defers", True)),
        (0o744, b"&joe\n", ("forwards", True)),
    ],
)
def test_effect_of_a_mode(mode, data, expected):
    assert tuple(effect_of(data, mode)) == expected


def test_what_a_stricter_qmail_local_refuses():
    assert effect_of(b"# x\n", 0o664, 0o022).does == "defers"


@pytest.mark.parametrize(
    "head, tail",
    [
        (VPOPMAIL, b"\n"),
        (VPOPMAIL, b""),
        (b'|/usr/local/vpopmail/bin/vdelivermail\t""   ', b" \t \n"),
        (b"# bounce-no-mailbox\n&joe@example.com\n" + VPOPMAIL, b"\n\n# vdelivermail '' bounce-no-mailbox\n"),
        (b"|preline maildrop\n| env A=bounce-no-mailbox /v/vdelivermail '' ", b"\r\n"),
    ],
)
def test_deleting_changes_the_last_word_alone(head, tail):
    assert deleting(head + b"bounce-no-mailbox" + tail) == head + b"delete" + tail


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"# bounce-no-mailbox\n",
        b"| /v/vdelivermail\n",
        b"| /v/vdelivermail ''\n",
        b"|not-vdelivermail x\n",
        (VPOPMAIL + b"bounce-no-mailbox\n") * 2,
    ],
)
def test_nothing_to_make_delete(data):
    assert deleting(data) is None


def test_which_file_delivers_to_mailboxes_of_vpopmail():
    assert runs_vdelivermail(b"# x\n" + VPOPMAIL + b"/a/b\n")
    assert not runs_vdelivermail(b"# x\n|vdeliver\n")
