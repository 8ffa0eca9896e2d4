"""Compares what mailops.rescue.queue_info says with `postqueue -j` and with what fill.py put into the queues.

usage: compare.py FILE, which holds what verify.yml registered. It lists every difference, and fails on any.
"""

import datetime
import json
import os
import re
import subprocess
import sys
import unicodedata

CANARY = "/tmp/mailops-canary"
# These follow the clock.
VOLATILE = {"age", "age_histogram", "seconds"}
NOTICE_SENDERS = {"", "MAILER-DAEMON"}

problems = []


def check(what, found, wanted):
    if found != wanted:
        problems.append("%s: found %r instead of %r" % (what, found, wanted))


def load(name):
    with open(name, encoding="utf-8") as f:
        return f.read()


def postqueue(config):
    # Before Postfix 3.9 it may write \u escapes that are not JSON's; that would end the comparison here.
    output = subprocess.run(["postqueue", "-c", config, "-j"], check=True, stdout=subprocess.PIPE).stdout
    return [json.loads(line) for line in output.splitlines()]


def masked(text):
    r"""What the module returned as a pattern for what showq(8) prints.

    showq puts `?` in the place of each byte that is not printable UTF-8. There the module shows the character
    that it takes the byte for, or \xNN.
    """

    def piece(found):
        if len(found.group()) > 1:
            return r"\?"
        return re.escape(found.group()) if found.group().isascii() else r"(?:%s|\?)" % found.group()

    return re.sub(r"\\x[0-9a-f]{2}|.", piece, text, flags=re.DOTALL)


def same_address(ours, theirs):
    if {ours, theirs} <= NOTICE_SENDERS:
        return True
    if ours is None:
        return False
    # The module keeps the address as the queue has it; showq quotes a local part where mail needs that.
    local, at, domain = ours.rpartition("@")
    quoted = '"%s"' % re.sub(r'(["\\])', r"\\\1", local) + at + domain
    return any(re.fullmatch(masked(form), theirs) for form in (ours, quoted))


def same_reason(ours, theirs):
    if ours is None or theirs is None:
        return ours == theirs
    return re.fullmatch(masked(ours), theirs) is not None


def epoch(text):
    return int(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp())


def compare_message(name, ours, theirs):
    check(name + " queue", ours["queue"], theirs["queue_name"])
    check(name + " size", ours["size"], theirs["message_size"])
    check(name + " arrival_time", epoch(ours["arrival_time"]), theirs["arrival_time"])
    if not same_address(ours["sender"], theirs["sender"]):
        problems.append("%s sender: found %r, postqueue has %r" % (name, ours["sender"], theirs["sender"]))
    pending = sorted(
        ((r["address"], r["delay_reason"]) for r in ours["recipients"] if r["status"] == "pending"), key=str
    )
    listed = sorted(((r["address"], r.get("delay_reason")) for r in theirs["recipients"]), key=str)
    if len(ours["recipients"]) < ours["recipient_count"]:
        # The module returns the first 20 of them; each must be in postqueue's list, with the same reason.
        check(name + " number of recipients", ours["recipient_count"], len(listed))
        reasons = dict(listed)
        listed = [(address, reasons.get(address)) for address, _reason in pending]
    if len(pending) != len(listed) or not all(
        same_address(a, b) and same_reason(x, y) for (a, x), (b, y) in zip(pending, listed)
    ):
        problems.append("%s recipients: found %r, postqueue has %r" % (name, pending, listed))


def compare_postqueue(directory, records, items):
    ours = {record["id"]: record for record in records}
    theirs = {item["queue_id"]: item for item in items}
    check(directory + " ids", sorted(ours), sorted(theirs))
    check(directory + " number of messages", len(records), len(items))
    for queue_id in sorted(set(ours) & set(theirs)):
        compare_message("%s/%s" % (directory, queue_id), ours[queue_id], theirs[queue_id])
    kinds = {queue_id.isupper() or queue_id.isdigit() for queue_id in ours if ours[queue_id]["queue"] == "deferred"}
    check(directory + " has short and long ids", kinds, {True, False})


def harmless(text):
    return not any(unicodedata.category(c) in ("Cc", "Cf") for c in text)


def compare_expected(records, expected):
    ours = {(record["queue_directory"], record["recipients"][0]["address"]): record for record in records}
    check("number of different messages", len(ours), len(expected))
    for case in expected:
        key = case["queue_directory"], case["recipients"][0]
        name = "%s %s" % key
        record = ours.get(key)
        if record is None:
            problems.append(name + ": not found")
            continue
        if case["sender"] is not None:
            check(name + " sender", record["sender"].replace('"', ""), case["sender"])
        status = [[r["address"], r["status"]] for r in record["recipients"]]
        wanted = [[a, "done" if a in case["done"] else "pending"] for a in case["recipients"]]
        # The module returns the first 20.
        check(name + " recipients", status, wanted[:20])
        check(name + " recipient_count", record["recipient_count"], len(case["recipients"]))
        for field in ("queue", "sasl_username", "origin_uid", "client_address", "is_bounce"):
            check("%s %s" % (name, field), record[field], case[field])
        check(name + " client_name", record["client_name"] is None, case["client_address"] is None)
        if case["hostile"]:
            check(name + " subject is harmless", harmless(record["subject"]), True)
            check(name + " subject is kept", case["hostile"] in record["subject"], True)
        elif case["loose"]:
            check(name + " subject", record["subject"].split(), case["subject"].split())
        else:
            check(name + " subject", record["subject"], case["subject"])
        if case["bounced"]:
            check(name + " bounced_recipients", record["bounced_recipients"], case["bounced"])


def compare_counts(name, result, records):
    counts = result["counts"]
    check(name + " counts.total", counts["total"], len(records))
    check(name + " counts.bytes", counts["bytes"], sum(record["size"] for record in records))
    for queue, count in counts["by_queue"].items():
        check("%s counts.by_queue.%s" % (name, queue), count, sum(r["queue"] == queue for r in records))
    for field, pick in (
        ("sender", lambda r: r["sender"]),
        ("sasl_username", lambda r: r["sasl_username"]),
        ("client_address", lambda r: r["client_address"]),
        ("origin_uid", lambda r: r["origin_uid"]),
    ):
        tally = {}
        for record in records:
            tally[pick(record)] = tally.get(pick(record), 0) + 1
        for entry in result["top"][field]:
            check("%s top.%s %r" % (name, field, entry["value"]), entry["count"], tally.get(entry["value"]))
        check("%s top.%s is there" % (name, field), bool(result["top"][field]), True)
    check(name + " damaged", result["damaged"], [])
    check(name + " vanished", result["vanished"], 0)
    check(name + " undecided", result["undecided"], [])
    check(name + " changed", result["changed"], False)


def steady(value):
    if isinstance(value, dict):
        return {key: steady(item) for key, item in value.items() if key not in VOLATILE}
    if isinstance(value, list):
        return [steady(item) for item in value]
    return value


def comparable(records):
    records = [{key: value for key, value in record.items() if key != "content"} for record in steady(records)]
    return sorted(records, key=lambda record: (record["queue_directory"], record["id"]))


def matches(case, select):
    """The few selections of verify.yml, worked out from what was sent."""
    tests = {
        "sasl_username": lambda v: case["sasl_username"] == v,
        "client_address": lambda v: (case["client_address"] or "").startswith(v.rpartition(".")[0]),
        "origin_uid": lambda v: case["origin_uid"] == v,
        "queue": lambda v: case["queue"] == v,
        "bounce": lambda v: case["is_bounce"] == v,
        "recipient": lambda v: any(re.search(v, a) for a in case["recipients"]),
        "sender": lambda v: case["sender"] is not None and re.search(v, case["sender"]) is not None,
        "subject": lambda v: case["subject"] is not None and v in case["subject"].lower(),
        "delay_reason": lambda v: any("@refused." in a for a in case["recipients"]),
        "larger_than": lambda v: case["recipients"][0].startswith("big-"),
        "ids": lambda v: False,
    }
    return all(tests[key](value) for key, value in select.items())


def main():
    results = {name.replace("result_", ""): value for name, value in json.loads(load(sys.argv[1])).items()}
    expected = json.loads(load("/opt/mailops/expected.json"))
    full = results["full"]
    check("mta", full["mta"], "postfix")
    version = subprocess.run(["postconf", "-h", "mail_version"], check=True, stdout=subprocess.PIPE, text=True).stdout
    check("version", full["version"], version.strip())
    check("truncated", full["truncated"], False)
    configs = {case["queue_directory"]: case["config"] for case in expected}
    check("queues", sorted(queue["queue_directory"] for queue in full["queues"]), sorted(configs))

    instances = {result["item"]: result for result in results["instances"]["results"]}
    for directory, config in configs.items():
        records = [record for record in full["messages"] if record["queue_directory"] == directory]
        compare_postqueue(directory, records, postqueue(config))
        alone = instances[config]
        compare_counts("instance " + config, alone, alone["messages"])
        check("messages of instance " + config, comparable(alone["messages"]), comparable(records))
    compare_expected(full["messages"], expected)
    compare_counts("full", full, full["messages"])
    for record in full["messages"]:
        if record["content"] is None or not harmless(record["content"].replace("\n", "").replace("\t", "")):
            problems.append("%s: content is not harmless: %r" % (record["id"], record["content"]))

    lines = [json.loads(line) for line in load(full["listing"]).splitlines()]
    check("mode of the listing", os.stat(full["listing"]).st_mode & 0o7777, 0o600)
    check("listing", comparable(lines), comparable(full["messages"]))

    for name in ("again", "check"):
        check(
            "result of the run `%s`" % name,
            steady(dict(results[name], listing=None)),
            steady(dict(full, listing=None)),
        )

    for result in results["selections"]["results"]:
        select = result["item"]
        wanted = sorted([c["queue_directory"], c["recipients"][0]] for c in expected if matches(c, select))
        found = sorted([r["queue_directory"], r["recipients"][0]["address"]] for r in result["messages"])
        check("select %r" % select, found, wanted)
        check("select %r matched" % select, result["counts"]["matched"], len(wanted))
        if not wanted and "ids" not in select:
            problems.append("select %r: selects nothing, so it tests nothing" % select)

    check(CANARY + " exists", os.path.exists(CANARY), False)
    if problems:
        print("%d differences" % len(problems))
        print("\n".join(problem[:2000] for problem in problems))
        sys.exit(1)
    print("%d messages of %d queues agree" % (len(full["messages"]), len(configs)))


if __name__ == "__main__":
    main()
