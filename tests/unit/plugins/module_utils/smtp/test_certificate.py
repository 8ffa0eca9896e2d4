"""What is read out of certificates, also out of broken ones."""

import datetime
import random
import ssl

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged
from ansible_collections.mailops.rescue.plugins.module_utils.smtp.certificate import describe
from tests.support.smtp_server import certificate

NOW = datetime.datetime(2026, 11, 22, tzinfo=datetime.timezone.utc)


@pytest.fixture
def der(tmp_path):
    def make(**options):
        path = certificate(tmp_path, **options)[1]
        return ssl.PEM_cert_to_DER_cert("-----BEGIN CERT" + path.read_text().split("-----BEGIN CERT")[1])

    return make


def test_dates_are_those_that_python_itself_reads(der, tmp_path):
    described = describe(der(days=40000), NOW)
    context = ssl.create_default_context(cafile=str(tmp_path / "server.pem"))
    (known,) = context.get_ca_certs()
    for name, own in (("notBefore", "not_before"), ("notAfter", "not_after")):
        seconds = ssl.cert_time_to_seconds(known[name])
        moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
        assert described[own] == moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    # In the next century dates have four digits.
    assert described["not_after"].startswith("21")


def test_names_are_harmless_and_bounded(der):
    described = describe(der(name="\x1b[2Jevil", names=["n%d.example.com" % n for n in range(500)]), NOW)
    assert described["subject"].startswith("CN=\\x1b[2Jevil, O=Gr")
    assert described["names"] == ["n%d.example.com" % n for n in range(20)]


def test_damage_is_told(der):
    whole = der()
    for length in range(len(whole)):
        with pytest.raises(Damaged):
            describe(whole[:length], NOW)
    with pytest.raises(Damaged, match="larger"):
        describe(b"\x30" * 70000, NOW)


def test_any_bytes_are_described_or_damaged(der):
    whole, chance = der(), random.Random(1)
    described = 0
    for _ in range(5000):
        spoilt = bytearray(whole)
        for _ in range(chance.randint(1, 3)):
            spoilt[chance.randrange(len(spoilt))] = chance.randrange(256)
        try:
            describe(bytes(spoilt), NOW)
            described += 1
        except Damaged:
            pass
    assert 0 < described < 5000
