"""Compares what queue_purge and queue_restore say they did with what they did, and with what was submitted.

usage: check.py WHAT [ARGUMENT...]; each WHAT is a function below. It lists every difference, and fails on any.
"""

import collections
import json
import os
import re
import socket
import stat
import subprocess
import sys
import time

HERE = "/opt/mailops/"
INSTANCES = {
    "/var/spool/postfix": ("/etc/postfix", 25),
    "/var/spool/postfix-deep": ("/etc/postfix-deep", 2525),
}
HOLD_DEPTH = {"/var/spool/postfix": 0, "/var/spool/postfix-deep": 2}
PURGES = ["stolen", "form", "bulk", "gone"]
HOLDS_MAIL = ("maildrop", "incoming", "active", "deferred", "hold", "corrupt")
LOGS = ("defer", "bounce", "trace")
# These follow the clock, or name a batch that check mode does not make.
VOLATILE = {"finished_runs", "seconds", "batch", "batches", "restore_hint"}
MAILDROP, DELIVERING = "pickup(8)", "it is being delivered"
PATIENCE = 240

problems = []


def check(what, found, wanted):
    if found != wanted:
        problems.append("%s: found %r instead of %r" % (what, found, wanted))


def load(name):
    with open(HERE + name + ".json", encoding="utf-8") as f:
        return json.load(f)


def files(tree):
    return {path: one for path, one in tree.items() if stat.S_ISREG(one["kind"])}


def id_of(path):
    return path.rpartition("/")[2]


def messages(tree):
    """Return the paths of the messages in a queue's tree."""
    return [path for path in files(tree) if path.partition("/")[0] in HOLDS_MAIL]


def exact(one):
    return {name: value for name, value in one.items() if name not in ("atime", "links")}


def compare_trees(what, found, wanted):
    """Both map paths to what describe() of snapshot.py says of them."""
    missing, more = sorted(set(wanted) - set(found)), sorted(set(found) - set(wanted))
    check(what + ": missing", missing[:5], [])
    check(what + ": there besides", more[:5], [])
    for path in sorted(set(found) & set(wanted)):
        for key in sorted(set(found[path]) | set(wanted[path])):
            check("%s: %s: %s" % (what, path, key), found[path].get(key), wanted[path].get(key))


def nothing_changed(before, after, view=lambda path, one: one):
    """Two snapshots are identical, atimes included; `view` takes away what may differ."""
    old, new = load(before), load(after)
    check("%s to %s: roots" % (before, after), sorted(new), sorted(old))
    for root in set(old) & set(new):
        trees = [{path: view(path, one) for path, one in tree[root].items()} for tree in (new, old)]
        compare_trees("%s to %s: %s" % (before, after, root), *trees)
    check(before + " holds something", sum(len(files(tree)) for tree in old.values()) > 50, True)


def purges():
    """Each run of queue_purge took what it was to take, and the second run of all of them nothing."""
    expected = load("expected")
    left_in_active = 0
    for name in PURGES:
        nothing_changed(name + "-before", name + "-foretold")
        results = load(name + "-results")
        left_in_active += one_purge(name, expected, results["result_forecast"], results["result_purge"])
    stalled = subprocess.run(
        ["ss", "-Htn", "state", "established", "( sport = :10026 )"], check=True, stdout=subprocess.PIPE
    ).stdout.splitlines()
    # Nobody but us may have let go of the innocent one of each instance.
    check("selected messages that are being delivered", left_in_active, len(stalled) - len(INSTANCES))
    check("messages that are being delivered", len(stalled), 5 * len(INSTANCES))
    nothing_changed(PURGES[-1] + "-after", "final")


def one_purge(name, expected, forecast, purge):
    before, after = load(name + "-before"), load(name + "-after")
    for key in sorted(set(forecast) - VOLATILE):
        check("%s: %s as foretold" % (name, key), purge[key], forecast[key])
    meant = [case for case in expected if case["kind"] == name]
    taken, taken_size, in_active = 0, 0, 0
    left = {(one["queue_directory"], one["id"]): one["reason"] for one in purge["left"]}
    for queue in INSTANCES:
        known = {before[queue][path]["key"]: path for path in messages(before[queue])}
        wanted = {case["key"] for case in meant if case["queue_directory"] == queue}
        check("%s: known messages of %s" % (name, queue), wanted - set(known), set())
        gone = set()
        for key in wanted & set(known):
            path = known[key]
            reason = left.pop((queue, id_of(path)), None)
            if reason is None:
                gone.add(path)
            elif path.startswith("maildrop/"):
                check("%s: why %s was left" % (name, path), MAILDROP in reason, True)
            else:
                check("%s: why %s was left" % (name, path), reason, DELIVERING)
                check("%s: %s was in active" % (name, path), path.startswith("active/"), True)
                in_active += 1
        taken += len(gone)
        taken_size += sum(before[queue][path]["message_size"] for path in gone)
        moved = moved_files(name, queue, before[queue], gone)
        rest = {path: one for path, one in files(before[queue]).items() if path not in moved}
        compare_trees("%s: rest of %s" % (name, queue), files(after[queue]), rest)
        if purge["discarded"]:
            quarantine = queue + ".quarantine"
            compare_trees("%s: %s" % (name, quarantine), after[quarantine], before[quarantine])
        else:
            compare_batch(name, queue, before, after, moved, gone, purge)
    check(name + ": left besides", left, {})
    check(name + ": left_count", purge["left_count"], len(purge["left"]))
    check(name + ": purged", purge["purged"], taken)
    check(name + ": purged something", taken > 0, True)
    check(name + ": bytes", purge["bytes"], taken_size)
    check(name + ": changed", purge["changed"], True)
    check(name + ": matched", purge["matched"], len(meant))
    check(name + ": discarded", purge["discarded"], name == "gone")
    compare_counts(name + ": counts_before", purge["counts_before"], before, len(meant))
    compare_counts(name + ": counts_after", purge["counts_after"], after, len(meant) - taken)
    check(name + ": recovered", purge["recovered"], [])
    check(name + ": damaged_count", purge["damaged_count"], 0)
    return in_active


def moved_files(name, queue, tree, gone):
    """Return the paths of what leaves the queue with these messages: their logs go with them."""
    ids = {id_of(path) for path in gone}
    logs = {path for path in files(tree) if path.partition("/")[0] in LOGS and id_of(path) in ids}
    deferred = {id_of(path) for path in gone if path.startswith("deferred/")}
    check("%s: defer logs in %s" % (name, queue), {id_of(p) for p in logs if p.startswith("defer/")} >= deferred, True)
    check("%s: deferred messages in %s" % (name, queue), len(deferred) > 0, True)
    # Long ids have small letters.
    check("%s: short and long ids in %s" % (name, queue), {one == one.upper() for one in deferred}, {True, False})
    return gone | logs


def compare_counts(what, counts, snapshot, matched):
    tally = collections.Counter(path.partition("/")[0] for queue in INSTANCES for path in messages(snapshot[queue]))
    check(what + ".by_queue", counts["by_queue"], {queue: tally[queue] for queue in counts["by_queue"]})
    check(what + ".total", counts["total"], sum(tally.values()))
    check(what + ".matched", counts["matched"], matched)


def compare_batch(name, queue, before, after, moved, gone, purge):
    quarantine = queue + ".quarantine"
    here = [one for one in purge["batches"] if one["queue_directory"] == queue]
    check("%s: batches of %s" % (name, queue), len(here), 1)
    path = os.path.relpath(here[0]["path"], quarantine)
    check("%s: messages in the batch of %s" % (name, queue), here[0]["messages"], len(gone))
    check("%s: mode of %s" % (name, quarantine), stat.S_IMODE(os.stat(quarantine).st_mode), 0o700)
    check("%s: mode of %s" % (name, path), after[quarantine][path]["mode"], 0o700)
    inside = path + "/files/"
    kept = {one[len(inside) :]: what for one, what in files(after[quarantine]).items() if one.startswith(inside)}
    compare_trees(
        "%s: batch of %s" % (name, queue),
        {one: exact(what) for one, what in kept.items()},
        {one: exact(before[queue][one]) for one in moved},
    )
    check("%s: links of what is in the batch" % name, {what["links"] for what in kept.values()}, {1})
    others = {one: what for one, what in files(after[quarantine]).items() if not one.startswith(path + "/")}
    compare_trees("%s: other batches of %s" % (name, queue), others, files(before.get(quarantine, {})))
    compare_manifest(name, queue, here[0], {one: before[queue][one] for one in moved}, gone, purge["batch"])


def read_batch(path):
    """Return a batch's manifest, totals and lines of the ledger, leaving no trace."""
    texts = []
    for name in ("manifest.json", "complete.json", "ledger.jsonl"):
        with open(os.open(os.path.join(path, name), os.O_RDONLY | os.O_NOATIME), encoding="ascii") as f:
            texts.append(f.read())
    return json.loads(texts[0]), json.loads(texts[1]), [json.loads(line) for line in texts[2].splitlines() if line]


def compare_manifest(name, queue, batch, moved, gone, run):
    manifest, totals, lines = read_batch(batch["path"])
    for key, wanted in (
        ("format", 1),
        ("mta", "postfix"),
        ("queue_directory", queue),
        ("batch", run),
        ("host", socket.gethostname()),
        ("user", "root"),
    ):
        check("%s: manifest.%s" % (name, key), manifest.get(key), wanted)
    check(name + ": manifest.select", sorted(manifest["select"]), sorted(SELECTED[name]))
    check(name + ": manifest.label", manifest["label"], LABELS[name])
    check(name + ": totals.messages", totals["messages"], len(gone))
    check(name + ": totals.bytes", totals["bytes"], batch["bytes"])
    entries = {line["files"][0]["path"]: line for line in lines if "files" in line}
    # A message that turned out to be busy when it was to be taken may be in it, too.
    check("%s: ledger of %s" % (name, queue), sorted(gone - set(entries)), [])
    for path in gone & set(entries):
        entry = entries[path]
        check(path + ": sha256 in the ledger", entry["sha256"], moved[path]["sha256"])
        check(path + ": id in the ledger", entry["id"], id_of(path))
        check(path + ": recipients in the ledger", entry["recipients"][0][0], moved[path]["key"])
        logged = {
            one["path"]: [one[key] for key in ("size", "mode", "uid", "gid", "mtime", "inode", "sha256")]
            for one in entry["files"]
        }
        wanted = {
            one: [what[key] for key in ("size", "mode", "uid", "gid", "mtime", "inode", "sha256")]
            for one, what in moved.items()
            if id_of(one) == id_of(path)
        }
        check(path + ": files in the ledger", logged, wanted)


SELECTED = {"stolen": ["sasl_username"], "form": ["origin_uid"], "bulk": ["sender", "queue"]}
LABELS = {"stolen": "a stolen account", "form": "a form", "bulk": "bulk"}


def restored(name):
    """A batch came back: into hold, or with release into the very places that it came from."""
    results = load("restore-%s-results" % name)
    forecast, real = results["result_forecast"], results["result_restore"]
    nothing_changed("restore-%s-before" % name, "restore-%s-foretold" % name)
    nothing_changed("restore-%s-after" % name, "restore-%s-again" % name)
    check(name + ": changed by the second restore", results["result_again"]["changed"], False)
    check(name + ": restored by the second restore", results["result_again"]["restored"], 0)
    for key in sorted(set(forecast) - {"seconds", "finished_runs"}):
        check("%s: %s as foretold" % (name, key), real[key], forecast[key])
    before, after = load("restore-%s-before" % name), load("restore-%s-after" % name)
    purged = load(name + "-results")["result_purge"]
    check(name + ": restored", (real["restored"], real["bytes"]), (purged["purged"], purged["bytes"]))
    check(name + ": remaining, left", (real["remaining"], real["left"]), (0, []))
    release = real["released"]
    check(name + ": released", release, name == "form")
    now_active = 0
    for batch in purged["batches"]:
        queue = batch["queue_directory"]
        old = files(load(name + "-before")[queue])
        wanted = {path: exact(old[path]) for path in set(old) - set(load(name + "-after")[queue])}
        known = files(before[queue])
        found = {path: exact(one) for path, one in files(after[queue]).items() if path not in known}
        check("%s: gone from %s" % (name, queue), set(known) - set(files(after[queue])), set())
        if release:
            # While Postfix runs, what was in active comes back to deferred.
            active = {path for path in wanted if path.startswith("active/")}
            now_active += len(active)
            for path in active:
                place = [one for one in found if one.startswith("deferred/") and id_of(one) == id_of(path)]
                check("%s: %s in deferred" % (name, path), len(place), 1)
                check("%s: %s" % (name, path), [found.pop(one) for one in place], [wanted.pop(path)])
        else:
            for path in [one for one in wanted if one.partition("/")[0] not in LOGS]:
                place = [one for one in found if id_of(one) == id_of(path) and one.partition("/")[0] not in LOGS]
                pattern = "hold/%s%s" % ("[0-9A-F]/" * HOLD_DEPTH[queue], id_of(path))
                check("%s: %s on hold" % (name, path), [bool(re.fullmatch(pattern, one)) for one in place], [True])
                check("%s: %s" % (name, path), [found.pop(one) for one in place], [wanted.pop(path)])
        compare_trees("%s: restored to %s" % (name, queue), found, wanted)
        inside = os.path.relpath(batch["path"], queue + ".quarantine") + "/files/"
        rest = [path for path in files(after[queue + ".quarantine"]) if path.startswith(inside)]
        check("%s: still in %s" % (name, batch["path"]), rest, [])
    if release:
        check(name + ": some were in active", now_active > 0, True)
    for when, snapshot in (("counts_before", before), ("counts_after", after)):
        total = sum(len(messages(snapshot[queue])) for queue in INSTANCES)
        check("%s: %s" % (name, when), real[when]["total"], total)


def delivered_now():
    counts = collections.Counter()
    try:
        with open(HERE + "delivered.jsonl", encoding="utf-8") as f:
            for line in f:
                counts[tuple(json.loads(line))] += 1
    except FileNotFoundError:
        pass
    return counts


def alive():
    """Postfix takes and delivers mail while the queues are purged."""
    import smtplib

    wanted = []
    for _config, port in INSTANCES.values():
        address = "now-%d@example.org" % port
        text = "From: <a@example.net>\r\nTo: <%s>\r\nMessage-ID: <%s>\r\n\r\nHello\r\n" % (address, address)
        with smtplib.SMTP("127.0.0.1", port) as client:
            client.sendmail("friend@example.net", [address], text)
        wanted.append((address, address))
    wait("new mail is not delivered", lambda: all(delivered_now()[one] == 1 for one in wanted))


def wait(what, ready):
    end = time.monotonic() + PATIENCE
    while not ready():
        if time.monotonic() > end:
            problems.append(what)
            return
        time.sleep(0.5)


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def once():
    """With the destinations open, all that was not purged, and all that was restored, is delivered exactly once."""
    with open(HERE + "open", "w"):
        pass
    for config, _port in INSTANCES.values():
        run("postsuper", "-c", config, "-H", "ALL")
        run("postconf", "-c", config, "-MX", "pickup/unix")
        run("postconf", "-c", config, "-M", "pickup/unix=pickup unix n - n 60 1 pickup")
        run("postfix", "-c", config, "reload")

    def empty():
        waiting = 0
        for config, _port in INSTANCES.values():
            run("postqueue", "-c", config, "-f")
            listing = subprocess.run(["postqueue", "-c", config, "-j"], check=True, stdout=subprocess.PIPE).stdout
            waiting += len(listing.splitlines())
        return not waiting

    wait("the queues do not become empty", empty)
    wanted = {("now-%d@example.org" % port,) * 2: 1 for _config, port in INSTANCES.values()}
    for case in load("expected"):
        for recipient in case["recipients"]:
            if case["kind"] in ("stolen", "form", "ham") or recipient.startswith("done"):
                pair = case["key"], recipient
                wanted[pair] = wanted.get(pair, 0) + 1
    found = delivered_now()
    for pair in sorted(set(wanted) | set(found)):
        check("deliveries of %s to %s" % pair, found[pair], wanted.get(pair, 0))
    check("deliveries", sum(found.values()) > 150, True)


def main(functions):
    functions[sys.argv[1]](*sys.argv[2:])
    if problems:
        print("%d differences" % len(problems))
        print("\n".join(problem[:400] for problem in problems[:30]))
        sys.exit(1)
    print("%s: as it should be" % " ".join(sys.argv[1:]))


if __name__ == "__main__":
    main(globals())
