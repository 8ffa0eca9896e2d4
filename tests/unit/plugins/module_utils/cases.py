"""Cases from the YAML files in data/.

Text under `raw` stands for the bytes with these code points, so `"\xe9"` is one byte. Instead of it, `text` and
`codec` say how the bytes are made, and `times` repeats them.
"""

from pathlib import Path

import pytest
import yaml

__all__ = ["cases", "raw_bytes"]

DATA = Path(__file__).parent / "data"


def cases(name):
    """Return the cases in data/NAME.yml as pytest parameters, named by their `case`."""
    loaded = yaml.safe_load((DATA / (name + ".yml")).read_text("utf-8"))
    return [pytest.param(case, id=case["case"]) for case in loaded]


def raw_bytes(case):
    """Return the bytes that a case describes."""
    data = case["raw"].encode("latin-1") if "raw" in case else case["text"].encode(case["codec"])
    return data * case.get("times", 1)
