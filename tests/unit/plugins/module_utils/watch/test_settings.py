import json

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.watch.settings import check, load

GOOD = {
    "host": "mx1.example.com",
    "threshold": 300,
    "age": "",
    "growth": 0,
    "growth_window": "5min",
    "bounce_share": 0,
    "bounce_minimum": 100,
    "interval": "1min",
    "cooldown": "1h",
    "webhook_url": "",
    "webhook_token_file": None,
    "webhook_ca_file": None,
    "smtp_host": "",
    "smtp_port": 25,
    "smtp_tls": "auto",
    "smtp_from": "",
    "smtp_to": [],
    "syslog": True,
    "textfile_directory": "",
}
HOOK = "https://alerts.example.com/hook"
OTHER = {"smtp_host": "192.0.2.9", "smtp_to": ["ops@example.com"]}


def test_the_defaults_are_good():
    settings = check(GOOD)
    assert settings["threshold"] == 300
    assert settings["interval"] == 60
    assert settings["webhook"] is None and settings["smtp"] is None and settings["syslog"] is True
    assert json.loads(json.dumps(settings)) == settings


def test_another_server_is_good():
    smtp = check(dict(GOOD, **OTHER))["smtp"]
    assert smtp["from"] == "mailops-queue-watch@mx1.example.com"
    assert smtp["host"] == "192.0.2.9"


@pytest.mark.parametrize(
    ("sentence", "options"),
    [
        ("interval: expected a time", {"interval": "often"}),
        ("interval: expected 10s to 1h", {"interval": "5s"}),
        ("interval: expected 10s to 1h", {"interval": "2h"}),
        ("growth_window: expected one to 100 times", {"growth": 50, "growth_window": "30s"}),
        ("growth_window: expected one to 100 times", {"growth": 50, "growth_window": "1d"}),
        ("growth_window: expected a time", {"growth_window": "long"}),
        ("cooldown: expected a time", {"cooldown": ""}),
        ("age: expected a time", {"age": "old"}),
        ("threshold: expected 1 to", {"threshold": 0}),
        ("bounce_share: expected 0 to 100, got 101", {"bounce_share": 101}),
        ("growth: expected 0 to", {"growth": -1}),
        ("host: expected a host's name", {"host": "mx 1"}),
        ("host: expected a host's name", {"host": "mx1\nRCPT TO"}),
        ("webhook_url: expected one such as https", {"webhook_url": "ftp://x/y"}),
        ("webhook_url: expected one such as https", {"webhook_url": "https://"}),
        ("webhook_url: expected one such as https", {"webhook_url": "https://x/a b"}),
        ("webhook_url: expected one such as https", {"webhook_url": "https://x:y/"}),
        ("webhook_url: expected no user or password", {"webhook_url": "https://u:p@x/"}),
        (
            "webhook_token_file: a token is sent over https only",
            {"webhook_url": "http://x/", "webhook_token_file": "/etc/passwd"},
        ),
        ("webhook_token_file: expected the path of a file", {"webhook_url": HOOK, "webhook_token_file": "/nowhere"}),
        ("webhook_token_file: it is of no use", {"webhook_token_file": "/etc/passwd"}),
        ("webhook_ca_file: it is of no use", {"webhook_ca_file": "/etc/passwd"}),
        ("smtp_to: expected the addresses", {"smtp_host": "192.0.2.9"}),
        ("smtp_to: it is of no use", {"smtp_to": ["ops@example.com"]}),
        ("smtp_from: it is of no use", {"smtp_from": "ops@example.com"}),
        ("smtp_to: expected an address", dict(OTHER, smtp_to=["ops"])),
        ("smtp_to: expected an address", dict(OTHER, smtp_to=["a@example.com>\r\nRCPT TO:<b@example.com"])),
        ("smtp_from: expected an address", dict(OTHER, smtp_from="<>")),
        ("smtp_port: expected 1 to 65535", dict(OTHER, smtp_port=0)),
        ("smtp_host: expected a name", dict(OTHER, smtp_host="a b")),
        ("smtp_host: localhost is this host", dict(OTHER, smtp_host="localhost")),
        ("smtp_host: 127.0.0.2 is this host", dict(OTHER, smtp_host="127.0.0.2")),
        ("smtp_host: ::1 is this host", dict(OTHER, smtp_host="::1")),
        ("smtp_host: ::ffff:127.0.0.1 is this host", dict(OTHER, smtp_host="::ffff:127.0.0.1")),
        ("smtp_host: 0.0.0.0 is this host", dict(OTHER, smtp_host="0.0.0.0")),
        ("smtp_host: nowhere.invalid has no address", dict(OTHER, smtp_host="nowhere.invalid")),
        ("textfile_directory: expected a directory", {"textfile_directory": "/nowhere"}),
        ("textfile_directory: expected a directory", {"textfile_directory": "tmp"}),
    ],
)
def test_bad_options_are_named(sentence, options):
    with pytest.raises(RescueError) as caught:
        check(dict(GOOD, **options))
    assert str(caught.value).startswith(sentence)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize("url", ["https://x:y/secret", "ftp://x/secret", "https://x/a secret", "https://u:secret@x/"])
def test_a_bad_url_is_not_shown(url):
    with pytest.raises(RescueError) as caught:
        check(dict(GOOD, webhook_url=url))
    assert "secret" not in str(caught.value).replace("a secret.", "")


def test_the_window_matters_only_where_growth_is_watched():
    assert check(dict(GOOD, interval="10min"))["growth"] == 0


def test_a_file_that_the_service_cannot_see_is_refused(tmp_path):
    # pytest's own directories are below /tmp, which the service has for itself.
    token = tmp_path / "token"
    token.write_text("x")
    with pytest.raises(RescueError, match="webhook_token_file: expected a file elsewhere than in "):
        check(dict(GOOD, webhook_url=HOOK, webhook_token_file=str(token)))


def test_an_own_address_is_refused_whatever_its_interface():
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("no network, so no address but the loopback's")
        own = probe.getsockname()[0]
    with pytest.raises(RescueError, match="smtp_host: .* is this host"):
        check(dict(GOOD, **dict(OTHER, smtp_host=own)))


def test_what_was_checked_is_read_back(tmp_path):
    settings = check(GOOD)
    (tmp_path / "settings").write_text(json.dumps(settings))
    assert load(str(tmp_path / "settings")) == settings


def test_two_queues_of_one_name_are_refused(tmp_path):
    queue = {"name": "postfix", "mta": "postfix", "directories": ["/a"]}
    (tmp_path / "settings").write_text(json.dumps(dict(check(GOOD), queues=[queue, dict(queue, directories=["/b"])])))
    with pytest.raises(RescueError, match="two queues of one name"):
        load(str(tmp_path / "settings"))
