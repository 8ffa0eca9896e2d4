"""What tests of several layers share."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))


@pytest.fixture
def public_path():
    """A directory that other users may enter, unlike tmp_path."""
    path = tempfile.mkdtemp(prefix="rescue-test-")
    os.chmod(path, 0o755)
    yield Path(path)
    shutil.rmtree(path)
