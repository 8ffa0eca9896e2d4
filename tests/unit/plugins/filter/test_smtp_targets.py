"""Which addresses and ports of a host are asked."""

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.mailops.rescue.plugins.filter.smtp_targets import FilterModule

smtp_targets = FilterModule().filters()["smtp_targets"]
# Somebody listens on 25 and 465, and there is a connection from port 587.
SOCKETS = (
    "  sl  local_address rem_address   st\n"
    "   0: 00000000:0019 00000000:0000 0A 0\n"
    "   1: 190200C0:024B 00000000:0000 01 0\n"
    "  sl  local_address rem_address   st\n"
    "   0: 00000000000000000000000000000000:01D1 00000000000000000000000000000000:0000 0A 0\n"
)
NETWORK = {
    "ansible_all_ipv4_addresses": ["192.0.2.25", "192.0.2.26"],
    "ansible_all_ipv6_addresses": ["fe80::1", "2001:db8:25::25", "2001:db8:25::26"],
}


def test_submission_is_asked_where_somebody_listens():
    assert smtp_targets(SOCKETS, NETWORK, "25", [587, 465]) == [
        ["127.0.0.1", 25],
        ["::1", 25],
        ["192.0.2.25", 25],
        ["2001:db8:25::25", 25],
        ["192.0.2.25", 465],
        ["2001:db8:25::25", 465],
    ]


def test_a_host_without_addresses_asks_its_loopback():
    assert smtp_targets(SOCKETS, {}, 2525, [465]) == [
        ["127.0.0.1", 2525],
        ["::1", 2525],
        ["127.0.0.1", 465],
        ["::1", 465],
    ]


def test_what_is_no_table_is_refused():
    with pytest.raises(AnsibleFilterError, match="expected a table of sockets"):
        smtp_targets(None, NETWORK, 25, [587])
