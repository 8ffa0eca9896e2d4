"""The module as Ansible runs it."""

import json

import pytest

from tests.support.documents import documents
from tests.support.modules import run_module
from tests.support.smtp_server import Script, certificate, serving


@pytest.fixture
def server(tmp_path):
    return Script(context=certificate(tmp_path)[0])


def ask(server, **options):
    with serving(server) as port:
        return run_module("smtp_probe", port=port, **options)


def check_keys(documented, found):
    assert set(documented) == set(found)
    for name, one in documented.items():
        if "contains" in one and found[name]:
            check_keys(one["contains"], found[name][0] if isinstance(found[name], list) else found[name])
            sample = one.get("sample", found[name])
            check_keys(one["contains"], sample[0] if isinstance(sample, list) else sample)


def test_result_has_what_is_documented(server):
    documented = documents("smtp_probe")
    options = {"unknown_domain": "example.com", "postmaster": True, "relay": True, "recipients": ["info@example.com"]}
    status, result = ask(server, **options)
    assert (status, result["changed"], result["error"]) == (0, False, None)
    invocation = result.pop("invocation")["module_args"]
    del result["changed"]
    check_keys(documented["RETURN"], result)
    assert set(invocation) == set(documented["DOCUMENTATION"]["options"])
    for task in documented["EXAMPLES"]:
        assert set(task["mailops.rescue.smtp_probe"]) <= set(invocation)


def test_check_mode_asks_too(server):
    status, result = ask(server, postmaster=True, _ansible_check_mode=True)
    assert (status, result["postmaster"]["verdict"]) == (0, "accepted")
    assert server.sessions == 1


def test_what_differs_fails_with_all_that_was_found(server):
    status, result = ask(server, relay=True, expect={"relay": ["accepted"]})
    assert (status, result["failed"]) == (1, True)
    assert result["msg"] == (
        "expect: relay mailops-probe@example.net is refused instead of accepted (554 5.7.1 Relay access denied)."
    )
    assert result["relay"]["code"] == 554
    assert ask(server, relay=True, expect={"relay": ["refused"]})[0] == 0


def test_what_a_server_refuses_is_no_failure():
    status, result = run_module("smtp_probe", port=1, postmaster=True)
    assert (status, result["connected"], result["postmaster"]["verdict"]) == (0, False, "untried")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"port": 70000}, "port: expected 1 to 65535, got 70000."),
        ({"family": "ipx"}, "value of family must be one of: auto, ipv4, ipv6, got: ipx"),
        ({"recipients": ["a@b\r\nDATA"]}, "recipients: expected addresses in ASCII"),
        ({"expect": {"relay": ["denied"]}}, "value of relay must be one or more of: accepted, refused"),
        ({"expect": {"realy": ["refused"]}}, "Unsupported parameters for"),
    ],
)
def test_refusals_are_sentences(options, sentence):
    server = Script()
    status, result = ask(server, **options) if "port" not in options else run_module("smtp_probe", **options)
    assert (status, result["failed"], server.sessions) == (1, True, 0)
    assert sentence in result["msg"]
    assert "Traceback" not in json.dumps(result)
