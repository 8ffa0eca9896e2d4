"""The long run: python -m tests.fuzz --inputs 1000000"""

import argparse
import random
import sys
import time

from .failure import Failure
from .run import fuzz
from .selects import garbage
from .targets import TARGETS


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz what reads text from strangers.")
    parser.add_argument("--inputs", type=int, default=20000, help="in all")
    parser.add_argument("--seed", default=str(random.SystemRandom().getrandbits(32)))
    parser.add_argument("--target", action="append", choices=[*TARGETS, "selects"], help="only these")
    options = parser.parse_args()
    names = options.target or [*TARGETS, "selects"]
    print("seed %s" % options.seed, flush=True)
    done, failed, began = 0, 0, time.monotonic()
    for number, name in enumerate(names):
        share = options.inputs * (number + 1) // len(names) - options.inputs * number // len(names)
        started = time.process_time()
        try:
            longest = garbage(share, options.seed) if name == "selects" else fuzz(name, share, options.seed)
        except Failure as failure:
            print("FAILED %s" % failure, flush=True)
            failed += 1
            continue
        done += share
        print(
            "%-14s %8d inputs, %6.1f s, longest %.3f s" % (name, share, time.process_time() - started, longest),
            flush=True,
        )
    print("%d inputs without a fault in %.0f s" % (done, time.monotonic() - began))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
