"""postfix_config on each real Postfix there is an image of."""

import pytest

from tests.support.postfix_container import in_container

SCENES = ("round_trip", "previous", "bad_input", "a_configuration_that_does_not_parse",
          "what_stands_there_already_is_borne", "read_as_postfix_reads", "stopped", "killed", "instances",
          "mail_flows_afterwards")  # fmt: skip


@pytest.fixture(scope="module", params=["bullseye", "bookworm", "trixie"])
def scenes(request):
    return in_container(
        "tests.support.postfix_config_scenes", seconds=900, image="mailops-base:" + request.param
    )


@pytest.mark.parametrize("scene", SCENES)
def test_postfix_config(scenes, scene):
    assert set(scenes) == set(SCENES)
    assert scenes[scene] is None, scenes[scene]
