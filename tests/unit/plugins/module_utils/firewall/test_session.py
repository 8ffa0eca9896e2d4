"""Where a run comes from, and that it does not lock itself out."""

import ipaddress
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.firewall.session import check_lockout, find_session
from ansible_collections.mailops.rescue.plugins.module_utils.firewall.wanted import Wanted

ROOT = str(Path(__file__).resolve().parents[5])
SAY = (
    "from ansible_collections.mailops.rescue.plugins.module_utils.firewall.session import find_session;"
    "print(*(find_session() or ['none']))"
)


def clean():
    return {name: value for name, value in os.environ.items() if name != "SSH_CONNECTION"}


def say(**variables):
    """Return what a process says whose environment is empty, as sudo leaves it; its parent's holds `variables`."""
    child = 'env -i PYTHONPATH=%s %s -c "%s"; true' % (ROOT, sys.executable, SAY)
    done = subprocess.run(["sh", "-c", child], env=dict(clean(), **variables), stdout=subprocess.PIPE, check=True)
    return done.stdout.decode().strip()


def test_a_parent_tells():
    assert say(SSH_CONNECTION="192.0.2.7 50000 198.51.100.1 2222") == "192.0.2.7 2222"


def test_the_own_environment_tells(monkeypatch):
    monkeypatch.setenv("SSH_CONNECTION", "::ffff:192.0.2.7 50000 ::ffff:198.51.100.1 22")
    assert find_session() == (ipaddress.ip_address("192.0.2.7"), 22)
    monkeypatch.setenv("SSH_CONNECTION", "fe80::1%eth0 50000 fe80::2%eth0 22")
    assert find_session() == (ipaddress.ip_address("fe80::1"), 22)


@pytest.mark.parametrize("value", ["", "x", "192.0.2.7 1 2", "192.0.2.7 1 2 x", "mail 1 2 22", "\udcff\udcff 1 2 3"])
def test_nonsense_is_no_session(monkeypatch, tmp_path, value):
    monkeypatch.setenv("SSH_CONNECTION", value)
    assert find_session(str(tmp_path)) is None


def wanted(*networks, ports=(22, 587)):
    return Wanted(list(ports), [ipaddress.ip_network(one) for one in networks], "drop", None)


def session(address, port=22):
    return ipaddress.ip_address(address), port


@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8::7"])
def test_locked_out(address):
    with pytest.raises(RescueError, match=r"\Aallowed_networks: this run comes from %s by port 22" % address):
        check_lockout(wanted("198.51.100.0/24", "2001:db8:1::/64"), session(address), None)


def test_not_locked_out():
    check_lockout(wanted("198.51.100.0/24", "192.0.2.0/24"), session("192.0.2.7"), 22)
    check_lockout(wanted("2001:db8::/64"), session("2001:db8::7"), 22)
    check_lockout(wanted("198.51.100.0/24"), session("127.0.0.1"), 22)
    check_lockout(wanted("198.51.100.0/24"), session("::1"), 22)
    check_lockout(wanted("198.51.100.0/24", ports=(587, 465)), session("192.0.2.7"), 22)
    # Behind a translation of addresses the host has another port than the controller uses.
    check_lockout(wanted("198.51.100.0/24", ports=(2222,)), session("192.0.2.7"), 2222)


def test_nobody_tells():
    with pytest.raises(RescueError, match=r"\Aports: port 22 "):
        check_lockout(wanted("192.0.2.0/24"), None, 22)
    check_lockout(wanted("192.0.2.0/24"), None, None)
    check_lockout(wanted("192.0.2.0/24", ports=(587,)), None, 22)
