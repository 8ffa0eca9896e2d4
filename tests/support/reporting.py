"""Runs as a report sees them: results as modules return them, given to a Collector."""

from __future__ import annotations

from ansible_collections.mailops.rescue.plugins.plugin_utils.report.collector import Collector
from ansible_collections.mailops.rescue.plugins.plugin_utils.report.document import build
from tests.unit.plugins.plugin_utils.changed import change, counts
from tests.unit.plugins.plugin_utils.results import result

__all__ = ["HOSTILE", "RUN", "ULTIMATE", "before", "control", "fleet", "hostile", "large", "restore_command"]

CONTROL, INFO, PURGE, RESTORE, PROBE = (
    "mailops.rescue." + name for name in ("control", "queue_info", "queue_purge", "queue_restore", "smtp_probe")
)
RUN = {
    "playbook": "comply.yml",
    "started": "2026-11-22T02:00:00Z",
    "finished": "2026-11-22T02:01:05Z",
    "seconds": 65.2,
    "check_mode": False,
    "ansible": "2.19.14",
}
CONTROLS = (
    (
        "queue-count",
        "The queue holds fewer than 300 messages",
        "high",
        "fewer than 300",
        "A queue that grows is the first sign of a stolen account.",
        "ansible-playbook mailops.rescue.inspect -l {host}",
    ),
    (
        "unknown-recipients",
        "Mail to unknown recipients is refused or discarded",
        "critical",
        "refused or discarded",
        "Notices about mail that a stranger forged fill the queue, and others' mailboxes.",
        "ansible-playbook mailops.rescue.harden -l {host}",
    ),
    (
        "auth-port-25",
        "No AUTH on port 25",
        "medium",
        "no AUTH",
        "Stolen passwords are tried out there.",
        "ansible-playbook mailops.rescue.harden -l {host} --tags postfix_hardening",
    ),
    ("mta-version", "The MTA gets security fixes", "low", "Postfix 3.5 or later", "Old versions have known holes.", ""),
)

# What strangers put into subjects, addresses and greetings.
HOSTILE = (
    "<script>document.title='owned';alert(1)</script>",
    "</style></title></textarea><svg onload=alert(1)>",
    "\"'><img src=x onerror=alert(1)>",
    "]]><!-- --> <![CDATA[ & &lt; &#x0;",
    "{{ 6 * 7 }} {% raw %} ${7*7} `id` $(id)",
    "abc\u202egnp.exe \u2066\u200b\ufeff\u2028",
    "nul\x00 bell\x07 esc\x1b[31m del\x7f c1\x9b31m",
    "lone \ud800 surrogates \udfff \ufffe \uffff",
    "| a=1;2;3 | @here @channel [x](javascript:alert(1)) **bold** _it_ # h",
    '\r\n\r\nHTTP/1.1 200 OK\r\n# TYPE evil counter\nevil{a="b"} 1\n',
    "odd ` backtick @here <b> [x](y)",
    "W" * 10000,
    "x@" * 5000,
)
ULTIMATE = " ".join(HOSTILE)


def restore_command(host, batch):
    return 'ansible-playbook mailops.rescue.restore -l %s -e \'{"batch": "%s"}\'' % (host, batch)


def control(number, status, host, **members):
    """A record of the control plugin."""
    name, title, severity, expected, rationale, remedy = CONTROLS[number]
    made = {
        "id": name,
        "title": title,
        "severity": severity,
        "status": status,
        "expected": expected,
        "observed": "",
        "rationale": rationale,
        "remedy": remedy.format(host=host),
        "references": [],
        "reason": None,
        "waiver": None,
    }
    made.update(members)
    return made


def _records(collector, host, *records):
    collector.ok(host, CONTROL, {"changed": False, "mailops_controls": list(records)})


def before():
    """The document of the run before."""
    collector = Collector()
    for host in ("mx1.example.com", "mx2.example.com", "mx3.example.com", "mx4.example.com"):
        _records(collector, host, *(control(number, "pass", host) for number in range(4)))
        collector.ok(host, INFO, result(100, mta="postfix"))
    collector.ok("mx1.example.com", INFO, result(45, mta="postfix"))
    _records(collector, "mx2.example.com", control(2, "fail", "mx2.example.com", observed="AUTH PLAIN LOGIN"))
    run = dict(RUN, started="2026-11-21T02:00:00Z", finished="2026-11-21T02:00:50Z")
    return build(collector, run, "Mail servers")


def fleet():
    """A night on which each thing that a report can tell happened, once."""
    collector = Collector()
    waiver = {"reason": "the fax gateway cannot do TLS", "owner": "alice@example.com", "expires": "2027-03-31"}
    mx1, mx2, mx3, mx10 = ("mx%d.example.com" % number for number in (1, 2, 3, 10))
    tops = {
        "sender": {"": 1400, "newsletter@shop.example.net": 407, "bob@example.com": 12},
        "sasl_username": {"bob": 12},
        "client_address": {"192.0.2.77": 407, "2001:db8:1:2::3": 12},
        "recipient_domain": {"example.org": 1800},
        "subject": {"failure notice": 1400},
    }
    collector.ok(
        mx1,
        INFO,
        result(
            2045,
            mta="postfix",
            queues={"deferred": 2000, "active": 45},
            ages=[[0, 300, 45], [300, 3600, 1500], [3600, 86400, 500], [86400, None, 0]],
            span=(81000, 5),
            top=tops,
            bounces=1400,
        ),
    )
    collector.ok(
        mx1,
        PROBE,
        {
            "connected": True,
            "address": "127.0.0.1",
            "port": 25,
            "banner": "mx1.example.com ESMTP Postfix",
            "error": None,
            "starttls": {"version": "TLSv1.3", "certificate": {"days_left": 64}},
            "auth": {"before_tls": [], "after_tls": ["PLAIN"]},
            "unknown_recipient": {"verdict": "accepted"},
            "postmaster": None,
            "relay": {"verdict": "refused"},
        },
    )
    over = "The waiver by alice@example.com expired on 2026-11-01."
    expired = dict(waiver, expires="2026-11-01", expired=True)
    _records(
        collector,
        mx1,
        control(0, "fail", mx1, observed="2045"),
        control(1, "fail", mx1, observed="accepted", reason=over, waiver=expired),
        control(2, "waived", mx1, observed="AUTH PLAIN LOGIN", waiver=dict(waiver, expired=False)),
        control(3, "pass", mx1, observed="3.7.11"),
    )
    plan = change(
        1400,
        counts("postfix", deferred=2000, active=45),
        counts("postfix", deferred=600, active=45),
        mta="postfix",
        batch=None,
        queue_directory="/var/spool/postfix",
    )
    collector.ok(mx1, PURGE, plan, checked=True)
    collector.ok(
        mx1,
        PURGE,
        dict(
            plan,
            batch="20261122T020012Z-3fa9",
            left_count=2,
            left=[{"id": "A1", "reason": "it is still being injected"}] * 2,
        ),
    )
    collector.ok(mx2, INFO, result(12, mta="qmail", queues={"remote": 12}, span=(400, 60)))
    _records(
        collector,
        mx2,
        *(control(number, "pass", mx2) for number in (0, 1, 2)),
        control(3, "not_applicable", mx2, reason="qmail has no versions"),
    )
    collector.ok(mx2, RESTORE, change(7, counts(remote=5), counts(remote=12), kind="restore"))
    gone = "Failed to connect to the host via ssh: ssh: connect to host mx3.example.com port 22: No route to host"
    collector.unreachable(mx3, CONTROL, {"unreachable": True, "msg": gone}, "Read the queue")
    _records(
        collector,
        mx10,
        control(0, "error", mx10, reason="The queue could not be read."),
        *(control(number, "pass", mx10) for number in (1, 2, 3)),
    )
    collector.failed(
        mx10, INFO, {"failed": True, "msg": "no queue of qmail or Postfix was found"}, "Read the queue", handled=True
    )
    collector.finished({mx1: {}, mx2: {}, mx3: {"unreachable": 1}, mx10: {}})
    return collector


def hostile():
    """A night on which everything that strangers can write is as bad as it gets."""
    collector = Collector()
    for number, text in enumerate(HOSTILE):
        host = "mx%d" % number
        _records(
            collector,
            host,
            control(
                0,
                "fail",
                host,
                observed=text,
                expected=text,
                title=text,
                rationale=text,
                remedy=text,
                references=[text],
                id="%d %s" % (number, text[:60]),
            ),
            control(1, "waived", host, waiver={"reason": text, "owner": text, "expires": text, "expired": False}),
            control(2, "error", host, reason=text),
        )
        tops = {
            name: [[text, 10 * number], [text[::-1], 3]]
            for name in ("sender", "sasl_username", "client_address", "recipient_domain", "subject", "delay_reason")
        }
        read = result(20, queues={text: 3, "remote": 17}, ages=[[0, 60, 5], [60, None, 15]], top=tops)
        collector.ok(host, INFO, dict(read, version=text, queue_directory=text, mta=text))
        collector.ok(
            host,
            PROBE,
            {
                "connected": True,
                "address": text,
                "port": 25,
                "banner": text,
                "error": text,
                "auth": {"before_tls": [text]},
                "relay": {"verdict": text},
            },
        )
        collector.ok(
            host,
            PURGE,
            change(
                5,
                counts(remote=9),
                counts(remote=4),
                queue_directory=text,
                left_count=1,
                left=[{"id": text, "reason": text}],
            ),
        )
        collector.failed(host, INFO, {"failed": True, "msg": text}, text, handled=True)
    collector.unreachable("mx-gone", INFO, {"msg": ULTIMATE}, ULTIMATE)
    return collector


def large(hosts=1000, controls=30, bad=3):
    """Many hosts with many controls, one in `bad` of which does not hold."""
    collector = Collector()
    statuses = ("fail", "error", "waived")
    waiver = {
        "reason": "accepted until the move",
        "owner": "ops@example.com",
        "expires": "2027-01-31",
        "expired": False,
    }
    for number in range(hosts):
        host = "mx%04d.region%d.example.com" % (number, number % 7)
        records = []
        for index in range(controls):
            status = statuses[(number + index) % 3] if (number * 7 + index * 11) % bad == 0 else "pass"
            records.append(
                control(
                    index % 4,
                    status,
                    host,
                    id="control-%02d" % index,
                    title="Control %d is as it should be" % index,
                    observed="value %d of %s" % (index, host),
                    reason="it could not be read" if status == "error" else None,
                    waiver=waiver if status == "waived" else None,
                )
            )
        _records(collector, host, *records)
        tops = {"sender": {"user%d@example.com" % (number % 50): number + 1}}
        collector.ok(host, INFO, result(number * 3, mta="postfix", ages=[[0, 300, number]], top=tops))
    collector.finished({name: {} for name in collector.hosts})
    return collector
