"""What each real Postfix does with mail to unknown users once the role's plan of discarding it is applied."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.postfix_alias_scenes import scenes
from tests.support.postfix_container import in_container

RELEASES = ("bullseye", "bookworm", "trixie")


@pytest.fixture(scope="module")
def runs():
    with ThreadPoolExecutor(len(RELEASES)) as pool:
        yield {
            release: pool.submit(
                in_container, "tests.support.postfix_alias_scenes", seconds=900, image="mailops-base:" + release
            )
            for release in RELEASES
        }


@pytest.mark.parametrize("scene", scenes())
@pytest.mark.parametrize("release", RELEASES)
def test_mail_to_unknown_users(runs, release, scene):
    found = runs[release].result()
    assert found[scene] is None, found[scene]
