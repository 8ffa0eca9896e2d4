"""What each real Postfix lets a client relay, and whether it is known before anybody tries."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.postfix_container import in_container
from tests.support.postfix_relay_scenes import SERVICES

RELEASES = ("bullseye", "bookworm", "trixie")
SCENES = [repr(one[0]) for one in SERVICES] + ["plan"]


@pytest.fixture(scope="module")
def runs():
    with ThreadPoolExecutor(len(RELEASES)) as pool:
        yield {
            release: pool.submit(
                in_container, "tests.support.postfix_relay_scenes", seconds=300, image="mailops-base:" + release
            )
            for release in RELEASES
        }


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("release", RELEASES)
def test_relaying(runs, release, scene):
    found = runs[release].result()
    assert found[scene] is None, found[scene]
