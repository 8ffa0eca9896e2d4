import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.postfix.config.master_cf import (
    Overrides,
    Services,
    tokenize,
)

MASTER = """\
# service type
smtp      inet  n       -       y       -       -       smtpd -v
submission inet n       -       y       -       -       smtpd
  -o syslog_name=postfix/submission
# -o smtpd_tls_auth_only=no
  -o { smtpd_client_restrictions = permit_sasl_authenticated, reject }
  -osmtpd_helo_required=yes
  -o smtpd_sasl_auth_enable=yes
relay     unix  -       -       y       -       -       smtp
        -o syslog_name=${multi_instance_name?{$multi_instance_name}:{postfix}}/$service_name
maildrop  unix  -       n       n       -       -       pipe
  flags=DRXhu user=vmail argv=/usr/bin/maildrop -o x=y ${recipient}
"""


def both(text=MASTER):
    services = Services(text)
    return services, Overrides(services)


def test_words():
    assert [token.text for token in tokenize("a {b c}d\n# e\n f")] == ["a", "{b c}d", "f"]


def test_what_services_set():
    services, overrides = both()
    assert services.names() == ["smtp/inet", "submission/inet", "relay/unix", "maildrop/unix"]
    assert {name: overrides.get(name) for name in overrides.names()} == {
        "submission/inet/syslog_name": "postfix/submission",
        "submission/inet/smtpd_client_restrictions": "permit_sasl_authenticated, reject",
        "submission/inet/smtpd_helo_required": "yes",
        "submission/inet/smtpd_sasl_auth_enable": "yes",
        "relay/unix/syslog_name": "${multi_instance_name?{$multi_instance_name}:{postfix}}/$service_name",
    }
    assert services.get("smtp/inet") == {
        "private": "n",
        "unprivileged": "-",
        "chroot": "y",
        "wakeup": "-",
        "process_limit": "-",
        "command": "smtpd -v",
    }
    assert services.get("smtps/inet") is overrides.get("smtps/inet/x") is overrides.get("smtp/inet/x") is None


@pytest.mark.parametrize("value", [None, "x", "a b", ""])
@pytest.mark.parametrize(
    "name",
    [
        "smtp/inet/new",
        "submission/inet/new",
        "submission/inet/syslog_name",
        "submission/inet/smtpd_client_restrictions",
        "submission/inet/smtpd_helo_required",
        "submission/inet/smtpd_sasl_auth_enable",
        "maildrop/unix/syslog_name",
    ],
)
def test_a_change_is_undone_exactly(name, value):
    services, overrides = both()
    others = {one: overrides.get(one) for one in overrides.names() if one != name}
    before = overrides.before(name)
    overrides.set(name, value)
    assert overrides.get(name) == value
    assert {one: overrides.get(one) for one in overrides.names() if one != name} == others
    overrides.restore(name, before)
    got = services.text()
    if value is None and before is not None:
        # Its place among the others of the service is not kept.
        assert overrides.get(name) == before[0]
        assert {one: overrides.get(one) for one in overrides.names() if one != name} == others
    elif "helo" in name and value == "a b":
        assert overrides.get(name) == "yes"
    else:
        assert got == MASTER


def test_a_parameter_stands_before_the_arguments_of_another_program():
    services, overrides = both()
    overrides.set("maildrop/unix/syslog_name", "x")
    assert services.get("maildrop/unix")["command"].startswith("pipe -o syslog_name=x flags=DRXhu")


def test_a_new_service_and_its_end():
    services, unused = both()
    services.set("smtps/inet", {"private": "n", "command": "smtpd -o a=b"})
    assert services.text() == MASTER + "smtps     inet  n       -       -       -       -       smtpd -o a=b\n"
    services.restore("smtps/inet", None)
    assert services.text() == MASTER


def test_fields_change_in_their_columns():
    services, unused = both()
    before = services.before("relay/unix")
    services.set("relay/unix", {"chroot": "n", "process_limit": "100", "wakeup": "300?"})
    assert "relay     unix  -       -       n       300?    100     smtp\n        -o syslog_name" in services.text()
    services.restore("relay/unix", before)
    assert services.text() == MASTER


def test_a_removed_service_comes_back_to_its_place():
    services, unused = both()
    before = services.before("submission/inet")
    services.set("submission/inet", None)
    assert services.get("submission/inet") is None
    services.restore("submission/inet", before)
    assert services.text() == MASTER


def test_what_matches_is_what_the_dict_names():
    services, unused = both()
    assert services.matches("smtp/inet", {"chroot": "y"})
    assert not services.matches("smtp/inet", {"chroot": "n"})
    assert not services.matches("smtp/inet", None)
    assert services.matches("smtps/inet", None)
