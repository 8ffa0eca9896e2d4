"""Compares what queue_purge and queue_restore say they did to a qmail queue with what they did.

usage: check_qmail.py WHAT [ARGUMENT...], as check.py of the scenario `purge`.
"""

import collections
import json
import mailbox
import os
import re
import subprocess

import check as shared
from check import HERE, check, compare_trees, delivered_now, exact, files, id_of, load, wait

PURGES = ("offline", "online")
QUEUE = load("expected")[0]["queue_directory"]
QUARANTINE = QUEUE + ".quarantine"
HOME = os.path.dirname(QUEUE)
IS_REAL = os.path.exists(HERE + "accounts.json")


def steady(tree):
    """What does not change in a queue when qmail-send is stopped and started.

    It keeps the time of the next attempt as mtime, and notes it when it stops.
    """
    return {path: without_time(path, exact(one)) for path, one in tree.items()}


def without_time(path, one):
    return {k: v for k, v in one.items() if k != "mtime" or not path.startswith(("local/", "remote/"))}


def nothing_changed(before, after):
    def view(path, one):
        # qmail-send itself reads these whenever a retry is due.
        if not path.startswith(("info/", "local/", "remote/")):
            return one
        return {key: value for key, value in one.items() if key != "atime"}

    shared.nothing_changed(before, after, view)


def note_pid():
    """Write down which process qmail-send is before the first purge."""
    if IS_REAL and not os.path.exists(HERE + "pid.json"):
        with open(HERE + "pid.json", "w") as f:
            json.dump(pid(), f)


def pid():
    shown = subprocess.run(["systemctl", "show", "-P", "MainPID", "qmail"], check=True, stdout=subprocess.PIPE)
    return int(shown.stdout)


def purges():
    """Each run took what it was to take, and only the first one of `offline` stopped qmail-send."""
    for name in PURGES:
        one_purge(name)
    nothing_changed(PURGES[-1] + "-after", "final")
    if IS_REAL:
        service = load("offline-results")["result_purge"]["service"]
        check("services", len(service), 1)
        for key, wanted in (
            ("queue_directory", QUEUE),
            ("supervisor", "systemd"),
            ("service", "qmail.service"),
            ("state_before", "running"),
            ("state_after", "running"),
            ("killed", []),
        ):
            check("service: " + key, service[0][key], wanted)
        check("pid is a new one", service[0]["pid"] != load("pid"), True)
        check("pid now", pid(), service[0]["pid"])


def one_purge(name):
    nothing_changed(name + "-before", name + "-foretold")
    results = load(name + "-results")
    forecast, purge = results["result_forecast"], results["result_purge"]
    for key in sorted(set(forecast) - shared.VOLATILE - {"service"}):
        check("%s: %s as foretold" % (name, key), purge[key], forecast[key])
    before, after = load(name + "-before"), load(name + "-after")
    wanted = {one["key"] for one in load("expected") if one["kind"] == name}
    gone = {id_of(path) for path, one in files(before[QUEUE]).items() if one["key"] in wanted}
    check(name + ": known messages", len(gone), len(wanted))
    check(name + ": matched, purged, left", [purge[k] for k in ("matched", "purged", "left")], [len(wanted)] * 2 + [[]])
    size = sum(one["size"] for one in files(before[QUEUE]).values() if one["key"] in wanted)
    check(name + ": bytes", purge["bytes"], size)
    check(name + ": discarded", purge["discarded"], False)
    total = sum(path.startswith("mess/") for path in files(before[QUEUE]))
    check(name + ": counts_before.total", purge["counts_before"]["total"], total)
    check(name + ": counts_after.total", purge["counts_after"]["total"], total - len(wanted))
    check(name + ": counts_after.matched", purge["counts_after"]["matched"], 0)
    for channel in ("local", "remote"):
        held = sum(path.startswith(channel + "/") for path in files(after[QUEUE]))
        check("%s: counts_after.by_queue.%s" % (name, channel), purge["counts_after"]["by_queue"][channel], held)
    moved = {path: one for path, one in files(before[QUEUE]).items() if id_of(path) in gone}
    rest = {path: one for path, one in files(before[QUEUE]).items() if path not in moved}
    compare_trees(name + ": rest of the queue", steady(files(after[QUEUE])), steady(rest))

    path = os.path.relpath(purge["batches"][0]["path"], QUARANTINE)
    check(name + ": mode of the quarantine", os.stat(QUARANTINE).st_mode & 0o7777, 0o700)
    check(name + ": mode of the batch", after[QUARANTINE][path]["mode"], 0o700)
    kept, wanted_files = in_batch(after, purge), steady(moved)
    if IS_REAL and name == "online":
        # Files that are about to be changed in place are copied.
        for one in [kept, wanted_files]:
            for path, what in one.items():
                if not path.startswith("mess/"):
                    del what["inode"]
    compare_trees(name + ": batch", {path: without_time(path, one) for path, one in kept.items()}, wanted_files)
    inside = {one["links"] for path, one in files(after[QUARANTINE]).items() if "/files/" in path}
    check(name + ": links of what is in quarantine", inside, {1})
    compare_ledger(name, purge, kept)


def in_batch(snapshot, purge):
    inside = os.path.relpath(purge["batches"][0]["path"], QUARANTINE) + "/files/"
    tree = files(snapshot[QUARANTINE])
    return {path[len(inside) :]: exact(one) for path, one in tree.items() if path.startswith(inside)}


def compare_ledger(name, purge, kept):
    manifest, totals, lines = shared.read_batch(purge["batches"][0]["path"])
    for key, wanted in (
        ("mta", "qmail"),
        ("queue_directory", QUEUE),
        ("label", name),
        ("batch", purge["batch"]),
        ("mode", "online" if IS_REAL and name == "online" else "offline"),
    ):
        check("%s: manifest.%s" % (name, key), manifest.get(key), wanted)
    check(name + ": totals", totals["messages"], purge["purged"])
    noted = {one["path"]: one for line in lines for one in line.get("files", ())}
    keys = ("size", "mode", "uid", "gid", "mtime", "sha256")
    check(
        name + ": ledger",
        {path: [one[key] for key in keys] for path, one in noted.items()},
        {path: [one[key] for key in keys] for path, one in kept.items()},
    )


def restored(name):
    """A batch came back, each file as it was in quarantine, and a second restore did nothing."""
    results = load("restore-%s-results" % name)
    forecast, real = results["result_forecast"], results["result_restore"]
    nothing_changed("restore-%s-before" % name, "restore-%s-foretold" % name)
    for key in sorted(set(forecast) - {"seconds", "service", "finished_runs"}):
        check("%s: %s as foretold" % (name, key), real[key], forecast[key])
    purge = load(name + "-results")["result_purge"]
    check(name + ": restored", (real["restored"], real["bytes"]), (purge["purged"], purge["bytes"]))
    check(name + ": left, remaining", (real["left"], real["remaining"]), ([], 0))
    check(name + ": changed", [results[one]["changed"] for one in ("result_restore", "result_again")], [True, False])
    if IS_REAL:
        check(name + ": service", [one["state_after"] for one in real["service"]], ["running"])
        check(name + ": stopped by the second restore", results["result_again"]["service"], [])
    before, after, again = (load("restore-%s-%s" % (name, when)) for when in ("before", "after", "again"))
    batch = in_batch(before, purge)
    old, new = files(before[QUEUE]), files(after[QUEUE])
    compare_trees(name + ": queue", steady({p: one for p, one in new.items() if p not in batch}), steady(old))
    compare_trees(name + ": came back", {p: exact(one) for p, one in new.items() if p in batch}, batch)
    compare_trees(name + ": second restore", steady(files(again[QUEUE])), steady(new))
    check(name + ": links", {one["links"] for one in new.values()}, {1})
    check(name + ": left in the batch", in_batch(after, purge), {})
    at_first = load(name + "-before")[QUEUE]
    for path in set(batch) & set(new):
        was, now = at_first[path], new[path]
        check(
            "%s: %s as at first" % (name, path),
            [now[key] for key in ("mode", "uid", "gid", "size", "sha256")],
            [was[key] for key in ("mode", "uid", "gid", "size", "sha256")],
        )


def local_deliveries():
    found = collections.Counter()
    for box in ("/alias/box", "/alias/later/box"):
        if os.path.exists(HOME + box):
            for one in mailbox.mbox(HOME + box):
                found[one["Message-ID"].strip("<>"), re.sub("^alias-", "", one["Delivered-To"])] += 1
    return found


def alive():
    """qmail takes and delivers mail."""
    import fill_qmail

    address = "now@" + fill_qmail.ME
    fill_qmail.inject(HOME, {"sender": "a@example.net", "origin": "network", "recipients": [address]})
    wait("new mail is not delivered", lambda: local_deliveries()[address, address] == 1)


def open_up():
    """Make deliveries possible."""
    with open(HERE + "open", "w"):
        pass
    os.mkdir(HOME + "/alias/later")
    owner = os.stat(HOME + "/alias")
    os.chown(HOME + "/alias/later", owner.st_uid, owner.st_gid)
    subprocess.run(["systemd-run", "--quiet", "--unit=sink", "python3", HERE + "sink.py"], check=True)
    wait(
        "nobody listens",
        lambda: subprocess.run(["ss", "-Hltn", "( sport = :10025 )"], stdout=subprocess.PIPE, check=True).stdout,
    )


def once():
    """All mail, and what was restored too, is delivered exactly once."""
    wait("the queue does not become empty", lambda: not any(names for _, _, names in os.walk(QUEUE + "/mess")))
    wanted = {(one["key"], recipient): 1 for one in load("expected") for recipient in one["recipients"]}
    wanted[("now@mail.example.com",) * 2] = 1
    found = delivered_now() + local_deliveries()
    for pair in sorted(set(wanted) | set(found)):
        check("deliveries of %s to %s" % pair, found[pair], wanted.get(pair, 0))
    check("deliveries", sum(found.values()) >= 75, True)
    with open("/var/log/qmail.log", "rb") as f:
        log = f.read()
    check("complaints", re.findall(rb".*(?:trouble|bounce msg|triple bounce).*", log)[:3], [])


if __name__ == "__main__":
    shared.main(globals())
