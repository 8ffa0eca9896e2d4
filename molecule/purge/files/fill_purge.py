"""Fills two Postfix instances with spam of several kinds and with mail that nobody may lose.

The instances, and how mail is submitted, are those of the scenario `inspect` (fill.py). A message is known again by
its Message-ID, which is its first recipient. The sender's local part says which kind it is.
"""

import json

import fill
from fill import INSTANCES, listing, reload, run, sendmail, settle, smtp, submit

fill.SETTINGS.update(
    {
        # A delivery agent that meets no file makes qmgr wait that long.
        "transport_retry_time": "2s",
        "smtp_destination_concurrency_failed_cohort_limit": "0",
    }
)

MANY = ["ham-many-%d@example.org" % n for n in range(30)]


def stolen(name, **more):
    return smtp("info@example.com", [name], "Cheap watches", user="info", client="192.0.2.77", **more)


def form(name, **more):
    return sendmail("www-data@mail.example.com", [name], "From a form", uid=33, **more)


def bulk(name, **more):
    return smtp("bulk@example.net", [name], "Newsletter", **more)


def gone(name, **more):
    return smtp("gone@example.net", [name], "To be discarded", **more)


def ham(recipients, **more):
    return smtp("friend@example.net", recipients, "Cheap watches? No: minutes of Tuesday", **more)


SENT = (
    [stolen("stolen-%d@example.org" % n) for n in range(4)]
    + [smtp("info@example.com", ["stolen-part@example.org", "done-stolen@example.org"], "Watches", user="info")]
    + [stolen("stolen-held@example.org", queue="hold")]
    + [form("form-%d@example.org" % n) for n in range(4)]
    + [form("form-held@example.org", queue="hold")]
    + [bulk("bulk-%d@example.org" % n) for n in range(3)]
    + [gone("gone-%d@example.org" % n) for n in range(3)]
    + [ham(["ham-%d@example.org" % n]) for n in range(4)]
    + [ham(MANY), ham(["ham-part@example.org", "done-ham@example.org"])]
    + [ham(["ham-held@example.org"], queue="hold")]
    + [sendmail("root@mail.example.com", ["ham-cron@example.org"], "Cron", uid=0)]
)
# Of these, Postfix tries five at a time.
STALLED = (
    [ham(["ham-slow@hang.example.org"])]
    + [stolen("stolen-slow-%d@hang.example.org" % n) for n in range(2)]
    + [form("form-slow-%d@hang.example.org" % n) for n in range(2)]
    + [stolen("stolen-late-%d@hang.example.org" % n) for n in range(2)]
    + [form("form-late-%d@hang.example.org" % n) for n in range(2)]
)
DROPPED = [
    form("form-drop@example.org", queue="maildrop"),
    sendmail("root@mail.example.com", ["ham-drop@example.org"], "Cron", uid=0, queue="maildrop"),
]


def stall(instance, expected):
    """Have deliveries begin that do not end, in the order of STALLED."""
    for case in expected:
        address = case["recipients"][0]
        if address.endswith("@hang.example.org"):
            queue_id = next(i["queue_id"] for i in listing(instance) if i["recipients"][0]["address"] == address)
            run("postqueue", "-c", instance["config"], "-i", queue_id)
            case["queue"] = "active"
            settle(instance, expected)


def main():
    fill.configure()
    expected = {name: [] for name in INSTANCES}

    def submit_all(cases, round_):
        for name, instance in INSTANCES.items():
            for case in cases:
                kind = case["recipients"][0].partition("-")[0]
                expected[name].append(dict(submit(instance, case, "%s-%s" % (name, round_)), kind=kind))

    submit_all(SENT, "a")
    for instance in INSTANCES.values():
        run("postconf", "-c", instance["config"], "-e", "enable_long_queue_ids=yes")
        reload(instance)
    submit_all(SENT + STALLED, "b")
    for name, instance in INSTANCES.items():
        settle(instance, [dict(case, queue="deferred") for case in expected[name]])
        held = {case["recipients"][0] for case in expected[name] if case["queue"] == "hold"}
        ids = [item["queue_id"] for item in listing(instance) if item["recipients"][0]["address"] in held]
        run("postsuper", "-c", instance["config"], "-h", "-", input="\n".join(ids).encode())
        run("postconf", "-c", instance["config"], "-M#", "pickup/unix")
        reload(instance)
    submit_all(DROPPED, "c")
    with open("/opt/mailops/stall", "w"):
        pass
    for name, instance in INSTANCES.items():
        settle(instance, expected[name])
        stall(instance, expected[name])

    with open("/opt/mailops/expected.json", "w") as f:
        json.dump(
            [
                {
                    "key": case["recipients"][0],
                    "recipients": case["recipients"],
                    "kind": case["kind"],
                    "queue": case["queue"],
                    "queue_directory": INSTANCES[name]["queue"],
                }
                for name in INSTANCES
                for case in expected[name]
            ],
            f,
        )
    print("%d messages" % sum(map(len, expected.values())))


if __name__ == "__main__":
    main()
