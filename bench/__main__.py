"""The bench's command line and its report."""

import argparse
import os
import platform
import statistics
import subprocess
import sys

from . import programs, queues

LIMIT_MIB = 64


def parse():
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", choices=["qmail", "postfix"], help="measure one kind of queue")
    parser.add_argument("--messages", type=int, default=100000,
                        help="size of the queues (default %(default)s)")
    parser.add_argument("--runs", type=int, default=5, help="runs of each program (default %(default)s)")
    parser.add_argument("--million", action="store_true",
                        help="measure memory and linearity at 10,000, 100,000 and 1,000,000 messages instead;"
                             " needs 30 GB of disk and half an hour the first time")
    parser.add_argument("--sizes", type=lambda text: [int(word) for word in text.split(",")],
                        default=[10000, 100000, 1000000],
                        help="sizes for --million, with commas between them")
    parser.add_argument("--remove", action="store_true",
                        help="remove the queues that earlier runs kept, and stop")
    return parser.parse_args()


def facts():
    kind = subprocess.run(["stat", "-f", "-c", "%T", str(queues.CACHE)], check=True, capture_output=True,
                          text=True).stdout.strip()
    print("%d cores, load %.1f, Python %s, Linux %s, file system %s, page cache warm" % (
        os.cpu_count(), os.getloadavg()[0], platform.python_version(), platform.release(), kind))
    print("Machines are noisy: compare the ratios of one run, not seconds of different runs.\n")


def measure_reader(mta, queue, workers, runs):
    """Return the median seconds of wall-clock of `runs` runs, after checking what was read."""
    results = [programs.run_reader(mta, queue, workers, limit=0) for _ in range(runs)]
    return statistics.median(r["wall"] for r in results), results[0]["counts"]["total"]


def line(name, seconds, base, of):
    ratio = "" if base is None else "  %6.2f x %s" % (seconds / base, of)
    print("  %-44s %8.2f s%s" % (name, seconds, ratio), flush=True)


def floor_of(mta, queue, runs):
    """Return the best seconds of the C floor, or None; its first run warms the cache."""
    program = programs.compile_floor(mta)
    if program is None:
        print("  NO C COMPILER: no floor to compare with")
        return None
    return min(programs.run_floor(program, queue)[1] for _ in range(runs + 1))


def qmail(count, runs):
    queue = queues.qmail_queue(count)
    print("qmail, %d messages: envelope, headers and top lists" % count)
    floor = floor_of("qmail", queue, runs)
    if floor:
        line("C floor (best of %d)" % (runs + 1), floor, None, "")
    seconds = readers("qmail", queue, count, runs, floor)
    files, took = programs.run_egrep(queue)
    whole = took * count / files
    line("find -exec egrep, extrapolated from %d" % files, whole, seconds, "queue_info on all cores")


def postfix(count, runs):
    owner = programs.postfix_ids() if os.getuid() == 0 else None
    queue = queues.postfix_queue(count, owner)
    print("Postfix, %d deferred messages: envelope, reasons, headers and top lists" % count)
    floor = floor_of("postfix", queue, runs)
    if floor:
        line("C floor (best of %d)" % (runs + 1), floor, None, "")
    seconds = readers("postfix", queue, count, runs, floor)
    if owner is None:
        print("  NOT COMPARED with postqueue -j: needs root, Docker and the image %s" % programs.IMAGE)
        return
    listed, times = programs.run_postqueue(queue, runs)
    if listed != count:
        print("  postqueue -j LISTED %d OF %d" % (listed, count))
    line("postqueue -j >/dev/null, live (median of %d)" % runs, statistics.median(times), seconds,
         "queue_info on all cores")


def readers(mta, queue, count, runs, floor):
    """Print the reader's lines; return the seconds with all cores."""
    for workers, name in ((1, "1 worker"), (0, "all cores")):
        seconds, total = measure_reader(mta, queue, workers, runs)
        if total != count:
            sys.exit("queue_info counted %d of %d messages" % (total, count))
        line("queue_info, %s (median of %d)" % (name, runs), seconds, floor, "C floor")
    return seconds


def memory(mta, sizes):
    """Print memory and time by size."""
    make = queues.qmail_queue if mta == "qmail" else queues.postfix_queue
    idle = programs.interpreter_memory()
    print("%s: peak memory above the interpreter's own %.1f MiB, children included" % (mta, idle))
    for count in sizes:
        queue = make(count)
        floor_of(mta, queue, 1)
        for workers in (1, 0):
            seconds = programs.run_reader(mta, queue, workers, limit=0)["wall"]
            result = programs.run_reader(mta, queue, workers, memory=True, limit=0)
            above = result["peak"] - idle
            print("  %9d messages, %-9s %8.2f s  %6.2f us a message  %6.1f MiB%s" % (
                count, "1 worker" if workers else "all cores", seconds, seconds / count * 1e6, above,
                "" if above <= LIMIT_MIB else "  MORE THAN %d" % LIMIT_MIB), flush=True)


def main():
    options = parse()
    if options.remove:
        queues.remove_queues()
        return
    queues.CACHE.mkdir(parents=True, exist_ok=True)
    facts()
    for mta, measure in (("qmail", qmail), ("postfix", postfix)):
        if options.only in (None, mta):
            if options.million:
                memory(mta, options.sizes)
            else:
                measure(options.messages, options.runs)
            print()


if __name__ == "__main__":
    main()
