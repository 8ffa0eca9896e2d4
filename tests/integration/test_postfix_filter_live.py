"""Who sent a message is known on each real Postfix there is an image of, through content filters and requeueing."""

import pytest

from tests.support.postfix_container import in_container

LOGIN, FIRST, SIXTH = "info@example.com", "203.0.113.9", "2001:db8::9"
RELEASES = ["bullseye", "bookworm", "trixie"]
FILTERED = {
    "login": [None, LOGIN, FIRST, "header"],
    "IPv6": [None, LOGIN, SIXTH, "header"],
    "outside": [None, None, FIRST, "header"],
    "from here": [None, None, "127.0.0.1", None],
    "web": [33, None, "127.0.0.1", "header"],
}
DIRECT = {
    "login": [None, LOGIN, FIRST, None],
    "IPv6": [None, LOGIN, SIXTH, None],
    "outside": [None, None, FIRST, None],
    "from here": [None, None, "127.0.0.1", None],
    "web": [33, None, None, None],
}
EXPECTED = {
    **dict.fromkeys(["content_filter", "of a service", "FILTER", "amavis", "odd names"], FILTERED),
    **dict.fromkeys(["prepended", "Milter"], FILTERED),
    "XFORWARD": {**FILTERED, "outside": DIRECT["outside"]},
    # What sendmail(1) takes does not go that way.
    "before the queue": {**FILTERED, "outside": DIRECT["outside"], "web": DIRECT["web"]},
    "pipe": {**FILTERED, "web": DIRECT["web"], "from here": [None, None, None, None]},
    "no login in the header": {
        **FILTERED,
        "login": [None, None, FIRST, "hidden"],
        "IPv6": [None, None, SIXTH, "hidden"],
    },
    **dict.fromkeys(["none", "none, Milter", "requeued while stopped"], DIRECT),
    "requeued": {**DIRECT, "web": [33, None, None, "header"]},
    "requeued, filter": FILTERED,
    "flood": {
        "top": [{"value": LOGIN, "count": 60}],
        "origins": {"header": 60, "hidden": 0},
        "selected": 60,
    },
    "copy": {**dict.fromkeys(FILTERED, [None, None, "127.0.0.1", "hidden"]), "from here": FILTERED["from here"]},
}


@pytest.fixture(scope="module", params=RELEASES)
def found(request):
    return in_container("tests.support.postfix_filter_scenes", seconds=400, image="mailops-base:" + request.param)


@pytest.mark.parametrize("scene", EXPECTED)
def test_origin(found, scene):
    assert found[scene] == EXPECTED[scene]


def test_no_scene_is_left_out(found):
    assert set(found) == set(EXPECTED)
