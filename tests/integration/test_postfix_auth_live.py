"""Where each real Postfix offers AUTH once the role's plan of tls_auth_only is applied."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.postfix_auth_scenes import LEVELS, scenes
from tests.support.postfix_container import in_container

RELEASES = ("bullseye", "bookworm", "trixie")
SCENES = [scene for level in LEVELS for scene in scenes(level)]


@pytest.fixture(scope="module")
def runs():
    with ThreadPoolExecutor(len(RELEASES)) as pool:
        yield {
            release: pool.submit(
                in_container, "tests.support.postfix_auth_scenes", seconds=300, image="mailops-base:" + release
            )
            for release in RELEASES
        }


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("release", RELEASES)
def test_auth_stays_within_reach(runs, release, scene):
    found = runs[release].result()
    assert found[scene] is None, found[scene]
