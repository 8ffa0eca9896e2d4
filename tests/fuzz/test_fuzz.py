"""The short run of the fuzzer. MAILOPS_FUZZ_EXAMPLES: inputs for each target."""

import os
import random

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.defer_log import parse_defer_log
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.records import parse_content, parse_envelope
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.queue.layout import (
    parse_channel,
    parse_info,
    parse_todo,
)

from .corpus import corpus
from .mutate import mutate
from .run import fuzz
from .selects import garbage
from .targets import TARGETS

EXAMPLES = int(os.environ.get("MAILOPS_FUZZ_EXAMPLES", "400"))
SEED = os.environ.get("MAILOPS_FUZZ_SEED") or str(random.SystemRandom().getrandbits(32))


@pytest.mark.parametrize("name", TARGETS)
def test_spoilt_bytes(name):
    fuzz(name, EXAMPLES, SEED)


def test_selections():
    garbage(EXAMPLES, SEED)


def test_what_it_starts_from_is_read():
    for data in corpus("postfix"):
        assert parse_envelope(data).sender is not None
    for data in corpus("content"):
        assert parse_content(data, 0, 0)[2]
    for data in corpus("deferlog"):
        assert parse_defer_log(data)
    for kind, parse in (("info", parse_info), ("todo", parse_todo)):
        for data in corpus(kind):
            parse(data)
    for data in corpus("channel"):
        assert parse_channel(data, "remote")


def test_the_same_seed_gives_the_same_bytes():
    first, second = (mutate(random.Random("7"), b"some bytes" * 9, b"others") for _number in range(2))
    assert first == second != b"some bytes" * 9
