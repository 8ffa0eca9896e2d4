"""The bench's command line and its report."""

import argparse
import os
import platform
import statistics
import subprocess
import sys

from . import counting, judging, programs, purging, queues, reports

LIMIT_MIB = 64


def parse():
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", choices=["qmail", "postfix"], help="measure one kind of queue")
    parser.add_argument("--messages", type=int, default=100000, help="size of the queues (default %(default)s)")
    parser.add_argument("--runs", type=int, default=5, help="runs of each program (default %(default)s)")
    parser.add_argument(
        "--million",
        action="store_true",
        help="measure memory and linearity at 10,000, 100,000 and 1,000,000 messages instead;"
        " needs 30 GB of disk and half an hour the first time",
    )
    parser.add_argument(
        "--sizes",
        type=lambda text: [int(word) for word in text.split(",")],
        default=[10000, 100000, 1000000],
        help="sizes for --million, with commas between them",
    )
    parser.add_argument("--purge", action="store_true", help="measure purging and restoring only")
    parser.add_argument("--report", action="store_true", help="measure rendering a report of 1,000 hosts only")
    parser.add_argument("--judge", action="store_true", help="measure judging a compliance run of 100 hosts only")
    parser.add_argument(
        "--count", action="store_true", help="measure how fast queue_watch counts a queue, against find | wc -l, only"
    )
    parser.add_argument("--remove", action="store_true", help="remove the queues that earlier runs kept, and stop")
    return parser.parse_args()


def facts():
    kind = subprocess.run(
        ["stat", "-f", "-c", "%T", str(queues.CACHE)], check=True, capture_output=True, text=True
    ).stdout.strip()
    print(
        "%d cores, load %.1f, Python %s, Linux %s, file system %s, page cache warm"
        % (os.cpu_count(), os.getloadavg()[0], platform.python_version(), platform.release(), kind)
    )
    print("Machines are noisy: compare the ratios of one run, not seconds of different runs.\n")


def line(name, took, base, of):
    """Print seconds of wall-clock and of processor time, and their ratios to those of `base`, named `of`."""
    text = "  %-42s %8.2f s" % (name, took[0])
    if took[1] is not None:
        text += "  (processor %7.2f s)" % took[1]
    if base:
        text += "  %6.2f x %s" % (took[0] / base[0], of)
        if took[1] is not None and base[1] is not None:
            text += " (processor %.2f x)" % (took[1] / base[1])
    print(text, flush=True)


def measure(mta, queue, count, runs):
    """Print floor and readers, run in turns so that noise hits all; return what the reader on all cores took.

    The floor counts with its best run, the readers with their median.
    """
    program = programs.compile_floor(mta)
    if program is None:
        print("  NO C COMPILER: no floor to compare with")
    else:
        programs.run_floor(program, queue)
    took = {"floor": [], 1: [], 0: []}
    for _ in range(runs):
        if program:
            took["floor"].append(programs.timed(programs.run_floor, program, queue)[1])
        for workers in (1, 0):
            result, times = programs.timed(programs.run_reader, mta, queue, workers, limit=0)
            if result["counts"]["total"] != count:
                sys.exit("queue_info counted %d of %d messages" % (result["counts"]["total"], count))
            took[workers].append(times)
    floor = min(took["floor"]) if program else None
    if floor:
        line("C floor (best of %d)" % runs, floor, None, "")
    line("queue_info, 1 worker (median of %d)" % runs, middle(took[1]), floor, "C floor")
    line("queue_info, all cores (median of %d)" % runs, middle(took[0]), floor, "C floor")
    return middle(took[0])


def middle(pairs):
    return tuple(statistics.median(values) for values in zip(*pairs, strict=True))


def qmail(count, runs):
    queue = queues.qmail_queue(count)
    print("qmail, %d messages: envelope, headers and top lists" % count)
    ours = measure("qmail", queue, count, runs)
    files, took = programs.run_egrep(queue)
    line(
        "find -exec egrep, extrapolated from %d" % files, (took * count / files, None), ours, "queue_info on all cores"
    )


def postfix(count, runs):
    owner = programs.postfix_ids() if os.getuid() == 0 else None
    queue = queues.postfix_queue(count, owner)
    print("Postfix, %d deferred messages: envelope, reasons, headers and top lists" % count)
    ours = measure("postfix", queue, count, runs)
    if owner is None:
        print("  NOT COMPARED with postqueue -j: needs root, Docker and the image %s" % programs.IMAGE)
        return
    listed, times = programs.run_postqueue(queue, runs)
    if listed != count:
        print("  postqueue -j LISTED %d OF %d" % (listed, count))
    line(
        "postqueue -j >/dev/null, live (median of %d)" % runs,
        (statistics.median(times), None),
        ours,
        "queue_info on all cores",
    )


def purge(mta, count):
    """Print what it takes to remove nine in ten messages, and to put them back."""
    if mta == "qmail":
        took, other, name = purging.measure_qmail(queues.qmail_queue(count)), "rm", "xargs -n10 rm, from a list"
    else:
        owner, core = programs.postfix_ids() if os.getuid() == 0 else None, programs.ROOT / ".cache/ansible-core-2.16"
        if owner is None or not core.exists():
            print(
                "  NOT COMPARED with postsuper -d: needs root, Docker, the image %s, and %s from scripts/matrix.py"
                % (programs.IMAGE, core)
            )
            return
        took, other, name = (
            purging.measure_postfix(queues.postfix_queue(count, owner), core),
            "postsuper",
            "postsuper -d -, from a list, live",
        )
    print("%s, %d of %d messages out of the queue, once" % (mta, took["count"], count))
    ours = (took["purge"], None)
    line("queue_purge, with quarantine", ours, None, "")
    line(name, (took[other], None), ours, "queue_purge")
    line("queue_restore of all of them", (took["restore"], None), ours, "queue_purge")


def count(mta, messages, runs):
    """Print what it takes to count a queue, as the watch on a host does every minute."""
    queue = queues.qmail_queue(messages) if mta == "qmail" else queues.postfix_queue(messages)
    print("%s, %d messages: how many are there?" % (mta, messages))
    took = {"find": [], "count": [], "run": []}
    with counting.prepared(mta, queue) as (run, state):
        for _ in range(runs + 1):
            # In turns, so that noise hits all.
            for name, program in (("find", counting.find), ("count", counting.count), ("run", counting.watch)):
                if name == "count":
                    found, times = program(mta, queue)
                else:
                    found, times = programs.timed(program, *((run, state) if name == "run" else (mta, queue)))
                if found != messages:
                    sys.exit("%s counted %d of %d messages" % (name, found, messages))
                took[name].append(times)
    # The first round only fills the caches.
    find = middle(took["find"][1:])
    line("find -type f | wc -l (median of %d)" % runs, find, None, "")
    line("counting by queue_watch", middle(took["count"][1:]), find, "find | wc -l")
    line("a whole run of queue_watch, with its start", middle(took["run"][1:]), find, "find | wc -l")


def memory(mta, sizes):
    """Print memory and time by size."""
    make = queues.qmail_queue if mta == "qmail" else queues.postfix_queue
    idle = programs.interpreter_memory()
    print("%s: peak memory above the interpreter's own %.1f MiB, children included" % (mta, idle))
    for count in sizes:
        queue = make(count)
        programs.run_reader(mta, queue, 0, limit=0)
        for workers in (1, 0):
            seconds = programs.run_reader(mta, queue, workers, limit=0)["wall"]
            result = programs.run_reader(mta, queue, workers, memory=True, limit=0)
            above = result["peak"] - idle
            print(
                "  %9d messages, %-9s %8.2f s  %6.2f us a message  %6.1f MiB%s"
                % (
                    count,
                    "1 worker" if workers else "all cores",
                    seconds,
                    seconds / count * 1e6,
                    above,
                    "" if above <= LIMIT_MIB else "  MORE THAN %d" % LIMIT_MIB,
                ),
                flush=True,
            )


def main():
    options = parse()
    if options.remove:
        queues.remove_queues()
        return
    queues.CACHE.mkdir(parents=True, exist_ok=True)
    facts()
    if options.report:
        sys.exit(0 if reports.measure() else 1)
    if options.judge:
        sys.exit(0 if judging.measure() else 1)
    for mta, report in (("qmail", qmail), ("postfix", postfix)):
        if options.only in (None, mta):
            if options.count:
                count(mta, options.messages, options.runs)
            elif options.million:
                memory(mta, options.sizes)
            else:
                if not options.purge:
                    report(options.messages, options.runs)
                purge(mta, options.messages)
            print()


if __name__ == "__main__":
    main()
