"""What tests of playbooks share."""

import pytest

from tests.support.playing import player


@pytest.fixture
def play(tmp_path):
    """Run playbook `name` over `hosts`, {group: {host: variables}}, in an own directory; return a Run."""
    return player(tmp_path)
