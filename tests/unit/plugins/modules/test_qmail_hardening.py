"""The modules of qmail_hardening as Ansible runs them, on a made-up qmail."""

import pytest

from tests.support.documents import documents
from tests.support.modules import run_module
from tests.support.qmail_home import QmailHome


@pytest.fixture
def home(tmp_path):
    home = QmailHome(tmp_path / "qmail", virtual=("example.com:example.com",))
    home.vpopmail("example.com")
    return home


@pytest.mark.parametrize("name, options", [("qmail_catchall", {}), ("qmail_double_bounces", {"to": "discard"})])
def test_result_has_what_is_documented(home, name, options):
    status, result = run_module(name, home=str(home.path), **options)
    assert status == 0, result
    returned = documents(name)["RETURN"]
    assert set(result) - {"invocation", "changed"} == set(returned)
    for key in ("catchalls", "files"):
        if key in returned:
            assert set(result[key][0]) == set(returned[key]["contains"]) == set(returned[key]["sample"][0])
    given = result["invocation"]["module_args"]
    assert set(given) == set(documents(name)["DOCUMENTATION"]["options"])
    for task in documents(name)["EXAMPLES"]:
        (module,) = [key for key in task if "." in key]
        if module.endswith(name):
            assert set(task[module] or ()) <= set(given)


@pytest.mark.parametrize("name, options", [("qmail_catchall", {}), ("qmail_double_bounces", {"to": "discard"})])
def test_check_and_diff(home, name, options):
    flags = {"_ansible_check_mode": True, "_ansible_diff": True}
    foreseen = run_module(name, home=str(home.path), **flags, **options)[1]
    result = run_module(name, home=str(home.path), _ansible_diff=True, **options)[1]
    assert foreseen["changed"]
    assert {key: value for key, value in foreseen.items() if key not in ("seconds", "invocation")} == {
        key: value for key, value in result.items() if key not in ("seconds", "invocation")
    }
    assert len(result["diff"]) >= 2
    assert run_module(name, home=str(home.path), **options)[1]["changed"] is False


def test_one_sentence(home):
    status, result = run_module("qmail_catchall", home=str(home.path), domains=["example.net"])
    assert status == 1
    assert result["msg"] == (
        "domains: example.net is not a domain that this qmail delivers for (control/locals, control/virtualdomains)."
    )
    status, result = run_module("qmail_double_bounces", home=str(home.path))
    assert status == 1
    assert "to" in result["msg"]
