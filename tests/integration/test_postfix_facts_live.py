"""mta_facts on each real Postfix that there is an image of: each program is the real one, and each table."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.postfix_container import in_container
from tests.support.postfix_facts_scenes import SCENES

RELEASES = ("bullseye", "bookworm", "trixie")


@pytest.fixture(scope="module")
def runs():
    with ThreadPoolExecutor(len(RELEASES)) as pool:
        yield {
            release: pool.submit(
                in_container, "tests.support.postfix_facts_scenes", seconds=300, image="mailops-base:" + release
            )
            for release in RELEASES
        }


@pytest.mark.parametrize("scene", [one.__name__ for one in SCENES])
@pytest.mark.parametrize("release", RELEASES)
def test_postfix_facts(runs, release, scene):
    found = runs[release].result()
    assert set(found) == {one.__name__ for one in SCENES}
    assert found[scene] is None, found[scene]
