"""Who submitted a message is known on each real Postfix there is an image of, whatever stands above its Received."""

import pytest

from tests.support.postfix_container import in_container

KNOWN = ("plain", "milter at 0", "milter at 1", "prepended", "odd names", "both")


@pytest.mark.parametrize("release", ["bullseye", "bookworm", "trixie"])
def test_origin_uid(release):
    found = in_container("tests.support.postfix_origin_scenes", seconds=300, image="mailops-base:" + release)
    assert {name: found.pop(name) for name in KNOWN} == dict.fromkeys(KNOWN, 33)
    # Without Postfix's own field, the first one is the sender's.
    assert found == {"removed": None}
