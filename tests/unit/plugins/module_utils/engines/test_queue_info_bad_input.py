"""Each wrong option is refused, by its name, before the queue is touched."""

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.mta import detect
from tests.support.inspecting import queue_info


@pytest.fixture
def untouched(monkeypatch):
    def touched(*unused):
        raise AssertionError("the queue was looked for")

    monkeypatch.setattr(detect, "find", touched)


@pytest.mark.parametrize("option", ["select", "exclude"])
@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"sender": "["}, ".sender: '[' is not a regular expression: "),
        ({"body": ["fine", "(?P<"]}, ".body: '(?P<' is not a regular expression: "),
        ({"header": "*x"}, ".header: '*x' is not a regular expression: "),
        ({"subject": ""}, ".subject: an empty expression would match everything."),
        ({"sender": ""}, " The null sender is written <>."),
        ({"recipient": []}, ".recipient: expected at least one value, got an empty list."),
        ({"recipient": None}, ".recipient: expected a text or a list of texts, got None."),
        ({"older_than": "2 days"}, ".older_than: expected an age such as 90s, 15m, 2h, 7d or 1w, got '2 days'."),
        ({"newer_than": "-5"}, ".newer_than: expected an age such as"),
        ({"larger_than": "10T"}, ".larger_than: expected a size such as 500, 10k, 5M or 1G, got '10T'."),
        ({"smaller_than": "k"}, ".smaller_than: expected a size such as"),
        ({"older_than": "2h", "newer_than": "1h"}, ": nothing can be older than 2h and newer than 1h."),
        ({"client_address": "192.0.2.0/33"}, ".client_address: expected an IPv4 or IPv6 address or network such as"),
        ({"client_address": ["192.0.2.1", "host"]}, "got 'host'."),
        ({"sendr": "x"}, ".sendr: there is no such key (did you mean sender?); the keys are body, bounce,"),
        ({"reciepient": "x"}, "(did you mean recipient?)"),
        ({"xyzzy": "x"}, ".xyzzy: there is no such key; the keys are"),
        ({"bounce": "perhaps"}, ".bounce: expected true or false, got 'perhaps'."),
        ({"origin_uid": "root"}, ".origin_uid: expected a numeric user id such as 33, got 'root'."),
        ({"ignore_case": 7}, ".ignore_case: expected true or false, got 7."),
        ("sender=x", ": expected a dictionary of criteria such as {sender: ...}, got 'sender=x'."),
    ],
)
def test_selection(untouched, option, given, sentence):
    with pytest.raises(RescueError) as caught:
        queue_info(**{option: given})
    assert str(caught.value).startswith(option)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"limit": -1}, "limit: expected 0 to 1000 messages, got -1."),
        ({"limit": 1001}, "limit: expected 0 to 1000 messages, got 1001."),
        ({"content_bytes": 0}, "content_bytes: expected 1 to 16384 bytes, got 0."),
        ({"content_bytes": 16385}, "content_bytes: expected 1 to 16384 bytes, got 16385."),
        ({"top": 101}, "top: expected 0 to 100 entries, got 101."),
        ({"workers": 65}, "workers: expected 0 to 64 processes, got 65."),
        ({"timeout_per_message": 0}, "timeout_per_message: expected 0.01 to 3600 seconds, got 0."),
        ({"timeout_per_message": float("nan")}, "timeout_per_message: expected 0.01 to 3600 seconds, got nan."),
        ({"timeout_per_message": float("inf")}, "timeout_per_message: expected 0.01 to 3600 seconds, got inf."),
    ],
)
def test_numbers(untouched, options, sentence):
    with pytest.raises(RescueError) as caught:
        queue_info(**options)
    assert str(caught.value) == sentence


def test_queue_that_this_mta_has_not(sample, monkeypatch):
    monkeypatch.setattr(
        "ansible_collections.mailops.rescue.plugins.module_utils.engines.queue_info.scan",
        lambda *unused: pytest.fail("the queue was read"),
    )
    wrong, right = {"qmail": ("remotes", "remote"), "postfix": ("defered", "deferred")}[sample.mta]
    with pytest.raises(RescueError) as caught:
        queue_info(sample.path, exclude={"queue": wrong})
    sentence = str(caught.value)
    assert sentence.startswith("exclude.queue: there is no queue '%s' here (did you mean %s?)" % (wrong, right))
