"""Power lost while a batch is removed: it is whole, or remains that the next run removes; others are untouched."""

import os
import shutil
from types import SimpleNamespace

from tests.support.power_loss import losses
from tests.support.purging import snapshot
from tests.support.quarantined import make_batch
from tests.unit.plugins.module_utils.engines.test_quarantine_prune import NEW, OLD, quarantine_prune

STEP = 1 if os.environ.get("RESCUE_FAULTS") == "all" else 3


def _contents(path):
    """What is below a path, without the times of reading, and without inodes."""
    return {name: what[:6] + what[7:] for name, what in snapshot(path, inodes=False).items()}


def test_power_lost_while_it_prunes(sample, tmp_path):
    ids, place = list(sample.ids.values()), tmp_path / "place"
    make_batch(sample.path, ids[:2], quarantine=place, name=NEW)
    make_batch(sample.path, ids[2:], quarantine=place, name=OLD)
    shutil.copytree(place, tmp_path / "kept", symlinks=True)
    before = {name: _contents(tmp_path / "kept" / name) for name in (NEW, OLD)}

    def prepare():
        shutil.rmtree(place)
        shutil.copytree(tmp_path / "kept", place, symlinks=True)
        return SimpleNamespace(directory=place)

    def prune(_state):
        quarantine_prune(quarantine=str(place), batch=[NEW])

    def verify(_state, loss):
        whole = os.path.exists(place / NEW / "manifest.json")
        if whole:
            assert _contents(place / NEW) == before[NEW], loss
        result = quarantine_prune(quarantine=str(place), batch=[NEW])
        assert (os.listdir(place), result["left"]) == ([OLD], []), loss
        assert (result["pruned_count"], len(result["remains"])) in [(1, 0), (0, 1), (0, 0)], loss
        assert bool(result["pruned_count"]) == whole, loss
        assert _contents(place / OLD) == before[OLD], loss

    assert losses(prepare, prune, verify, STEP) > 20 // STEP
