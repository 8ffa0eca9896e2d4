"""postfix_config on each real Postfix there is an image of."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.postfix_container import in_container

RELEASES = ("bullseye", "bookworm", "trixie")
SCENES = (
    "round_trip",
    "previous",
    "bad_input",
    "a_configuration_that_does_not_parse",
    "what_stands_there_already_is_borne",
    "what_postfix_warned_of_before_comes_back",
    "read_as_postfix_reads",
    "stopped",
    "killed",
    "instances",
    "mail_flows_afterwards",
)


@pytest.fixture(scope="module")
def runs():
    """All at the same time: each waits for Postfix most of the time."""
    with ThreadPoolExecutor(len(RELEASES)) as pool:
        yield {
            release: pool.submit(
                in_container, "tests.support.postfix_config_scenes", seconds=900, image="mailops-base:" + release
            )
            for release in RELEASES
        }


@pytest.fixture(scope="module", params=RELEASES)
def scenes(request, runs):
    return runs[request.param].result()


@pytest.mark.parametrize("scene", SCENES)
def test_postfix_config(scenes, scene):
    assert set(scenes) == set(SCENES)
    assert scenes[scene] is None, scenes[scene]
