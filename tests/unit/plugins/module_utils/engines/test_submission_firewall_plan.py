"""Which firewall is used, and that nothing is read before bad input is refused."""

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.engines.submission_firewall_plan import make_plan
from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from tests.support.fake_host import FakeHost, FakeUfw

ZONES = "firewall-cmd --list-all-zones"


def plan(host, **options):
    given = {
        "state": "present",
        "ports": [587],
        "allowed_networks": ["192.0.2.0/24"],
        "allow_nobody": False,
        "allow_documentation_networks": True,
        "action": "drop",
        "rate_limit": "",
        "backend": "auto",
        "ssh_port": None,
    }
    given.update(options)
    return make_plan(given, host)


@pytest.fixture(autouse=True)
def no_session(monkeypatch):
    monkeypatch.setattr(
        "ansible_collections.mailops.rescue.plugins.module_utils.engines.submission_firewall_plan.find_session",
        lambda: None,
    )


@pytest.fixture
def firewalld():
    return FakeHost({}, {ZONES: (0, "public (active)\n")}, ["firewall-cmd"])


def test_the_firewall_that_runs_is_used(firewalld):
    assert plan(firewalld)["backend"] == "firewalld"
    FakeUfw(firewalld)
    assert plan(firewalld)["backend"] == "firewalld"
    firewalld.answers[ZONES] = (252, "")
    assert plan(firewalld)["backend"] == "ufw"
    firewalld.answers["ufw status"] = (0, "Status: inactive\n")
    assert plan(firewalld)["backend"] == "nftables"


def test_one_that_does_not_run_is_refused(firewalld):
    with pytest.raises(RescueError, match=r"\Abackend: ufw is not active"):
        plan(firewalld, backend="ufw")
    with pytest.raises(RescueError, match=r"\Abackend: firewalld does not run"):
        plan(FakeHost(), backend="firewalld")
    assert plan(firewalld, backend="nftables")["firewalld"]["add"] == []


def test_what_another_one_has_of_ours_goes(firewalld):
    ufw = FakeUfw(firewalld)
    ufw.apply(plan(firewalld, backend="ufw")["ufw"]["add"])
    planned = plan(firewalld)
    assert len(planned["ufw"]["remove"]) == 3
    assert planned["firewalld"]["add"]


def test_open_sessions_are_named(firewalld):
    assert "go on" in plan(firewalld)["notes"][0]
    assert plan(FakeHost())["notes"] == []


def test_absent_needs_no_options():
    assert plan(FakeHost(), state="absent", allowed_networks=["nonsense"], ports=[0])["backend"] is None


def test_bad_input_is_refused_first():
    class Untouched(FakeHost):
        def has(self, command):
            raise AssertionError(command)

    for bad in ({"ports": [0]}, {"allowed_networks": ["x"]}, {"rate_limit": "x"}, {"ports": [22], "ssh_port": 22}):
        with pytest.raises(RescueError, match=r"\A%s: " % next(iter(bad))):
            plan(Untouched(), **bad)
