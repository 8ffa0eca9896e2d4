import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.hardening.hardening_changes import Hardening

OPTIONS = {
    "unknown_recipients": "discard",
    "discard_alias": "mailops-discard",
    "domain": "",
    "rate_limits": {},
    "tls_auth_only": False,
    "auth_on_port_25": True,
    "relay_restrictions": False,
}
NOW = {
    "default_transport": "smtp",
    "defer_transports": "",
    "fallback_transport": "",
    "fallback_transport_maps": "",
    "local_recipient_maps": "proxy:unix:passwd.byname hash:/etc/aliases",
    "local_transport": "local:mail.example.com",
    "luser_relay": "",
    "mailbox_transport": "",
    "mydestination": "a.example, mail.example.com hash:/etc/postfix/more",
    "myhostname": "mail.example.com",
    "mynetworks": "127.0.0.0/8",
    "relay_transport": "relay",
    "smtpd_recipient_restrictions": "",
    "smtpd_reject_unlisted_recipient": "yes",
    "smtpd_relay_restrictions": "permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination",
    "smtpd_sasl_auth_enable": "no",
    "smtpd_tls_auth_only": "no",
    "smtpd_tls_cert_file": "/cert.pem",
    "smtpd_tls_key_file": "$smtpd_tls_cert_file",
    "smtpd_tls_security_level": "may",
    "soft_bounce": "no",
    "unknown_local_recipient_reject_code": "550",
}
SERVICES = {"smtp/inet": "smtpd", "submission/inet": "smtpd -o x=y", "local/unix": "local", "smtp/unix": "smtp"}


def harden(now=(), overrides=(), services=SERVICES, catch_all=False, **options):
    found = {"parameters": dict(NOW, **dict(now)), "services": services, "service_parameters": dict(overrides)}
    served = {"A.example", "a.example", "mail.example.com", "in.table.example"}
    return Hardening(
        dict(OPTIONS, **options),
        found,
        lambda domain: domain in served,
        lambda maps, name: catch_all,
        dict(overrides),
        exists=lambda path: "gone" not in path,
    )


def test_discard():
    done = harden()
    assert done.parameters == {"luser_relay": "mailops-discard@mail.example.com", "local_recipient_maps": ""}
    assert (done.aliases, done.domain) == ({"mailops-discard": "/dev/null"}, "mail.example.com")
    assert "mistypes" in done.notes[0]


@pytest.mark.parametrize(
    ("options", "now", "domain"),
    [
        ({"domain": "A.example"}, {}, "a.example"),
        ({"domain": "in.table.example"}, {}, "in.table.example"),
        ({}, {"myhostname": "other"}, "a.example"),
    ],
)
def test_the_domain(options, now, domain):
    assert harden(now, **options).parameters["luser_relay"] == "mailops-discard@" + domain


@pytest.mark.parametrize(
    ("options", "now", "sentence"),
    [
        ({"discard_alias": "a b"}, {}, "discard_alias: expected a name"),
        ({"discard_alias": "a/b"}, {}, "discard_alias: expected a name"),
        ({"discard_alias": "a@b"}, {}, "discard_alias: expected a name"),
        ({"discard_alias": ""}, {}, "discard_alias: expected a name"),
        ({"domain": "a b"}, {}, "domain: expected the name"),
        ({"domain": "x.example"}, {}, "domain: expected one in mydestination (a.example, mail.example.com), "),
        ({"domain": "x.example"}, {"virtual_mailbox_domains": "x.example"}, "domain: "),
        ({}, {"mydestination": ""}, "domain: "),
        ({}, {"local_transport": "lmtp:unix:private/dovecot"}, "unknown_recipients: expected local_transport"),
        ({}, {"mailbox_transport": "lmtp:x"}, "unknown_recipients: expected no mailbox_transport"),
        ({}, {"fallback_transport": "lmtp:x"}, "unknown_recipients: expected no fallback_transport"),
        ({"catch_all": True}, {"alias_maps": "static:x"}, "unknown_recipients: expected alias_maps to name single"),
        ({"catch_all": True}, {"mailbox_transport_maps": "static:x"}, "unknown_recipients: expected mailbox_"),
        ({}, {"allow_mail_to_files": "forward"}, "unknown_recipients: expected allow_mail_to_files to have alias"),
        ({"catch_all": True}, {"fallback_transport_maps": "static:x"}, "unknown_recipients: expected fallback_"),
        ({"rate_limits": {"biff": 1}}, {}, "rate_limits: "),
        ({"rate_limits": {"smtpd_client_message_rate_limit": -1}}, {}, "rate_limits.smtpd_client_message_rate_limit: "),
        ({"rate_limits": {"smtpd_client_x_limit": True}}, {}, "rate_limits.smtpd_client_x_limit: "),
        ({"unknown_recipients": "reject"}, {"local_recipient_maps": "", "mailbox_transport": "x"}, "unknown_rec"),
    ],
)
def test_what_cannot_work(options, now, sentence):
    with pytest.raises(RescueError) as caught:
        harden(now, **options)
    assert str(caught.value).startswith(sentence) and str(caught.value).endswith(".")


def test_a_table_of_single_users_is_not_in_the_way():
    assert harden({"fallback_transport_maps": "hash:/x"}).parameters["local_recipient_maps"] == ""


def test_reject_leaves_what_is_right():
    assert harden(unknown_recipients="reject").parameters == {}
    own = {"local_recipient_maps": "hash:/etc/users", "mailbox_transport": "lmtp:x"}
    assert harden(own, unknown_recipients="reject").parameters == {}


def test_reject_undoes_what_lets_them_pass():
    now = {
        "luser_relay": "boss",
        "local_recipient_maps": "",
        "unknown_local_recipient_reject_code": "450",
        "smtpd_reject_unlisted_recipient": "no",
    }
    assert harden(now, unknown_recipients="reject").parameters == {
        "luser_relay": None,
        "local_recipient_maps": None,
        "unknown_local_recipient_reject_code": "550",
        "smtpd_reject_unlisted_recipient": "yes",
    }


def test_rate_limits():
    limits = {"smtpd_client_message_rate_limit": 30, "smtpd_client_x": None, "anvil_rate_time_unit": "60s"}
    assert harden(unknown_recipients="unchanged", rate_limits=limits).parameters == {
        "smtpd_client_message_rate_limit": 30,
        "anvil_rate_time_unit": "60s",
    }


def test_auth_leaves_port_25_and_stays_on_submission():
    done = harden(
        {"smtpd_sasl_auth_enable": "yes"},
        {"submission/inet/x": "y"},
        auth_on_port_25=False,
        unknown_recipients="unchanged",
    )
    assert done.parameters == {"smtpd_sasl_auth_enable": "no"}
    assert done.service_parameters == {"submission/inet/smtpd_sasl_auth_enable": "yes"} and not done.notes


def test_yes_and_no_are_read_in_any_case():
    done = harden(
        {"smtpd_sasl_auth_enable": "YES", "soft_bounce": "Yes"},
        {"smtp/inet/smtpd_sasl_auth_enable": "Yes"},
        auth_on_port_25=False,
        unknown_recipients="unchanged",
    )
    assert done.parameters == {"smtpd_sasl_auth_enable": "no"}
    assert done.service_parameters == {
        "smtp/inet/smtpd_sasl_auth_enable": "no",
        "submission/inet/smtpd_sasl_auth_enable": "yes",
    }
    assert [one.split(" ")[0] for one in done.leftovers] == ["soft_bounce"]
    rejecting = harden({"smtpd_reject_unlisted_recipient": "NO"}, unknown_recipients="reject")
    assert rejecting.parameters == {"smtpd_reject_unlisted_recipient": "yes"}


def test_auth_that_only_services_set():
    overrides = {"smtp/inet/smtpd_sasl_auth_enable": "yes", "submission/inet/smtpd_sasl_auth_enable": "yes"}
    done = harden({}, overrides, auth_on_port_25=False, unknown_recipients="unchanged")
    assert (done.parameters, done.service_parameters) == ({}, {"smtp/inet/smtpd_sasl_auth_enable": "no"})


def test_auth_that_would_be_nowhere_is_said():
    services = {"127.0.0.1:smtp/inet": "smtpd", "smtpd/pass": "smtpd"}
    done = harden(
        {"smtpd_sasl_auth_enable": "yes"}, {}, services, auth_on_port_25=False, unknown_recipients="unchanged"
    )
    assert done.service_parameters == {} and "nowhere" in done.notes[0]


def hide(now=(), overrides=(), services=SERVICES):
    return harden(now, overrides, services, tls_auth_only=True, unknown_recipients="unchanged")


def test_auth_under_tls_alone():
    done = hide({}, {"submission/inet/smtpd_tls_auth_only": "no"})
    assert done.parameters == {"smtpd_tls_auth_only": "yes"}
    assert done.service_parameters == {"submission/inet/smtpd_tls_auth_only": "yes"}
    assert done.notes == []


@pytest.mark.parametrize(
    ("now", "why"),
    [
        ({"smtpd_tls_security_level": ""}, "smtpd_tls_security_level is empty"),
        ({"smtpd_tls_security_level": "none"}, "smtpd_tls_security_level is none"),
        ({"smtpd_tls_cert_file": ""}, "it has no certificate"),
        ({"smtpd_tls_cert_file": "none"}, "it has no certificate"),
        ({"smtpd_tls_cert_file": "/gone.pem"}, "/gone.pem does not exist"),
        ({"smtpd_tls_key_file": "/gone.key"}, "/gone.key does not exist"),
        ({"smtpd_tls_cert_file": "", "smtpd_tls_chain_files": "/key.pem, /gone.pem"}, "/gone.pem does not exist"),
    ],
)
def test_auth_is_left_where_tls_does_not_work(now, why):
    done = hide(dict(now, smtpd_sasl_auth_enable="yes"))
    assert (done.parameters, done.service_parameters) == ({}, {})
    assert len(done.notes) == 1 and why in done.notes[0]
    assert "smtp/inet" in done.notes[0] and "submission/inet" in done.notes[0]


@pytest.mark.parametrize(
    "now",
    [
        {"smtpd_tls_security_level": "", "smtpd_use_tls": "Yes"},
        {"smtpd_tls_security_level": "", "smtpd_tls_wrappermode": "yes"},
        {"smtpd_tls_cert_file": "", "smtpd_tls_chain_files": "/key.pem /cert.pem"},
        {"smtpd_tls_cert_file": "$config_directory/cert.pem"},
    ],
)
def test_tls_that_works(now):
    done = hide(dict(now, smtpd_sasl_auth_enable="yes"))
    assert (done.parameters, done.notes) == ({"smtpd_tls_auth_only": "yes"}, [])


def test_each_service_is_looked_at():
    """One of its own offers TLS, or does not, whatever main.cf says."""
    auth = {"submission/inet/smtpd_sasl_auth_enable": "yes", "submission/inet/smtpd_tls_security_level": "none"}
    done = hide({}, auth)
    assert done.parameters == {"smtpd_tls_auth_only": "yes"}
    assert done.service_parameters == {"submission/inet/smtpd_tls_auth_only": "no"}
    assert "submission/inet (smtpd_tls_security_level is none)" in done.notes[0] and "smtp/inet" not in done.notes[0]
    auth["submission/inet/smtpd_tls_security_level"] = "encrypt"
    done = hide({"smtpd_tls_security_level": ""}, auth)
    assert (done.parameters, done.service_parameters) == ({}, {"submission/inet/smtpd_tls_auth_only": "yes"})
    assert done.notes == []


@pytest.mark.parametrize(
    ("relay", "recipient", "set_"),
    [
        ("permit_mynetworks, reject_unauth_destination", "", False),
        ("", "permit_mynetworks reject_unauth_destination", False),
        ("permit_mynetworks, reject", "", False),
        ("", "", True),
        ("permit_mynetworks", "reject_unknown_sender_domain", True),
        ("permit_mynetworks, check_client_access static:OK, reject_unauth_destination", "", True),
        ("permit, reject_unauth_destination", "permit", True),
        ("warn_if_reject reject_unauth_destination", "Warn_If_Reject, reject", True),
        ("warn_if_reject permit_sasl_authenticated, Reject_Unauth_Destination", "", False),
        ("warn_if_reject permit, Reject_Unauth_Destination", "", True),
    ],
)
def test_relay_restrictions(relay, recipient, set_):
    done = harden(
        {"smtpd_relay_restrictions": relay, "smtpd_recipient_restrictions": recipient},
        relay_restrictions=True,
        unknown_recipients="unchanged",
    )
    assert ("smtpd_relay_restrictions" in done.parameters) is set_


def test_bypasses_are_named():
    overrides = {
        "submission/inet/smtpd_relay_restrictions": "permit_sasl_authenticated",
        "smtp/inet/luser_relay": "x",
        "submission/inet/smtpd_recipient_restrictions": "",
    }
    notes = harden({"mynetworks": "0.0.0.0/0"}, overrides, relay_restrictions=True).notes
    assert [note.split(" ")[0] for note in notes[1:]] == ["submission/inet", "mynetworks", "smtp/inet"]
    safe = {"submission/inet/smtpd_relay_restrictions": "permit_sasl_authenticated, reject"}
    assert harden({}, safe, relay_restrictions=True, unknown_recipients="unchanged").notes == []


def test_a_service_with_recipient_restrictions_of_its_own_where_those_of_main_cf_stop_relaying():
    now = {"smtpd_relay_restrictions": "", "smtpd_recipient_restrictions": "permit_mynetworks, reject"}
    own = {"submission/inet/smtpd_recipient_restrictions": "permit_mynetworks"}
    (note,) = harden(now, own, relay_restrictions=True, unknown_recipients="unchanged").notes
    assert note.startswith("submission/inet bypasses the relay restrictions") and note.endswith("permit_mynetworks.")
    for safe in ({"smtpd_relay_restrictions": "reject"}, {"smtpd_recipient_restrictions": "permit"}):
        assert harden(dict(now, **safe), own, relay_restrictions=True, unknown_recipients="unchanged").notes == []


def test_leftovers_are_named_and_stay():
    done = harden({"soft_bounce": "yes", "defer_transports": "smtp", "default_transport": "discard:"})
    assert [one.split(" ")[0] for one in done.leftovers] == ["soft_bounce", "defer_transports", "default_transport"]
    assert not {"soft_bounce", "defer_transports", "default_transport"} & set(done.parameters)


def test_a_key_that_cannot_be_used_leaves_auth(tmp_path):
    path = tmp_path / "garbage"
    path.write_text("nothing\n")
    now = {"smtpd_sasl_auth_enable": "yes", "smtpd_tls_cert_file": str(path), "smtpd_tls_key_file": str(path)}
    done = hide(now)
    assert done.parameters == {} and "the key in %s does not go with" % path in done.notes[0]


@pytest.mark.parametrize("key", ["$smtpd_tls_cert_file", "main.pem"])
def test_a_key_that_follows_the_certificate_follows_that_of_the_service(tmp_path, key):
    main, own = (tmp_path / name for name in ("main.pem", "own.pem"))
    for path in (main, own):
        path.write_text("nothing\n")
    now = {
        "smtpd_sasl_auth_enable": "yes",
        "smtpd_tls_cert_file": str(main),
        "smtpd_tls_key_file": str(main) if key == main.name else key,
    }
    done = hide(now, {"submission/inet/smtpd_tls_cert_file": str(own)})
    assert "submission/inet (the key in %s does not go with the certificate in %s)" % (own, own) in done.notes[0]
    assert "smtp/inet (the key in %s does not go with the certificate in %s)" % (main, main) in done.notes[0]
