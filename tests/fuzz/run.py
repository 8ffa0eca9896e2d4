"""Run targets on spoilt bytes."""

__all__ = ["fuzz"]

import random
import time

from .corpus import corpus
from .failure import SECONDS, Failure
from .mutate import mutate
from .targets import TARGETS


def fuzz(name, inputs, seed):
    """Run the target ``name`` on ``inputs`` inputs, the same for the same ``seed``; return the longest time of one."""
    target, kinds = TARGETS[name]
    seeds = [one for kind in kinds for one in corpus(kind)]
    dice = random.Random("%s %s" % (name, seed))
    longest = 0.0
    for number in range(inputs):
        data = mutate(dice, dice.choice(seeds), dice.choice(seeds))
        began = time.process_time()
        try:
            target(data)
        except Exception as error:
            raise Failure("%s, seed %s, input %d: %r: %r" % (name, seed, number, error, data)) from error
        took = time.process_time() - began
        if took > SECONDS:
            raise Failure("%s, seed %s, input %d took %.1f s: %r" % (name, seed, number, took, data))
        longest = max(longest, took)
    return longest
