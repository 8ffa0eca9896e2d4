import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.host import programs
from ansible_collections.mailops.rescue.plugins.module_utils.mta import detect
from ansible_collections.mailops.rescue.plugins.module_utils.mta.adapter import Queues
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.adapter import PostfixAdapter
from ansible_collections.mailops.rescue.plugins.module_utils.qmail import adapter
from ansible_collections.mailops.rescue.plugins.module_utils.watch.targets import find_queues
from tests.support.qmail_queue import QmailQueue


def names(monkeypatch, instances, queues):
    """Return what queues are called; `instances` as postmulti names them, a hyphen for one without a name."""
    found = detect.Target(PostfixAdapter(), Queues(queues, instances, None, []))
    monkeypatch.setattr(detect, "find", lambda *unused: found)
    return [one["name"] for one in find_queues("postfix")]


@pytest.mark.parametrize(
    ("instances", "queues", "expected"),
    [
        ([None], ["/copy/of/a/queue"], ["postfix"]),
        (["-"], ["/srv/spool"], ["postfix"]),
        (["-", "postfix-out"], ["/var/spool/postfix", "/var/spool/out"], ["postfix", "postfix-out"]),
        (["-", "-", "-"], ["/var/spool/postfix", "/srv/in", "/srv/out"], ["postfix", "in", "out"]),
        (["-", "-", "-"], ["/var/spool/postfix", "/a/postfix", "/b/postfix"], ["postfix", "postfix-2", "postfix-3"]),
        (["-", "out", "out"], ["/var/spool/postfix", "/a", "/b"], ["postfix", "out", "out-2"]),
        (["-", "-", "in"], ["/var/spool/postfix", "/srv/in", "/b/in"], ["postfix", "in-2", "in"]),
    ],
)
def test_no_two_queues_have_one_name(monkeypatch, instances, queues, expected):
    assert names(monkeypatch, instances, queues) == expected


def test_an_mta_that_is_not_installed_is_passed_over(monkeypatch, tmp_path):
    monkeypatch.setattr(programs, "PATH", str(tmp_path))
    monkeypatch.setattr(adapter, "QUEUES", (QmailQueue(tmp_path / "qmail", split=3).path,))
    assert find_queues() == [{"name": "qmail", "mta": "qmail", "directories": [str(tmp_path / "qmail")]}]
    monkeypatch.setattr(adapter, "QUEUES", ())
    with pytest.raises(detect.NotInstalled, match="^mta: no qmail or Postfix is installed here"):
        find_queues()
