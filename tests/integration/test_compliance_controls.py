"""What controls of the role compliance make of facts that no test host has at hand."""

import copy
import json

import pytest
import yaml

from tests.support.playing import ROOT, player

ROLE = ROOT / "roles" / "compliance"
HERE, VANTAGE = "192.0.2.25", "mx9"


def verdict(word):
    return {"verdict": word, "code": 250 if word == "accepted" else 554, "text": "so it says", "address": "a@b.example"}


def session(port, address=HERE, **more):
    made = {
        "address": address,
        "port": port,
        "connected": True,
        "helo_code": 250,
        "relay": verdict("refused"),
        "auth": {"before_tls": [], "after_tls": []},
        "starttls": {"offered": False},
        "recipients": [],
    }
    if port == 25:
        made.update(postmaster=verdict("accepted"), unknown_recipient=verdict("refused"))
    return dict(made, **more)


def good():
    """The variables of a host on which all is well."""
    limits = ("connection_rate", "message_rate", "recipient_rate", "auth_rate")
    parameters = {
        "defer_transports": "",
        "master_service_disable": "",
        "default_transport": "smtp",
        "relay_transport": "relay",
        "notify_classes": "resource",
        "local_recipient_maps": "x",
    }
    return {
        "__compliance_facts": {
            "mta": "postfix",
            "domain": "b.example",
            "trusted": False,
            "recipients": [],
            "probes": [{"host": HERE, "port": 25, "recipients": []}, {"host": HERE, "port": 587, "recipients": []}],
            "catchalls": {"count": 0, "unknown": [], "unknown_count": 0},
            "quarantine": {"batches": 0, "oldest": None},
            "postfix": {
                "error": None,
                "running": True,
                "version": "3.7.11",
                "parameters": parameters,
                "soft_bounce": [],
                "limits": {"smtpd_client_%s_limit" % one: [] for one in limits},
                "bouncing": [],
                "bouncing_count": 0,
                "relay": {"lenient": [], "everyone": []},
                "domains_looked_up": False,
                "luser": {"address": "", "effective": False, "resolves": False, "target": None, "takers": []},
            },
            "firewall": {"wanted": False, "listening": [587]},
        },
        "__compliance_queue": {"counts": {"total": 0, "by_queue": {"hold": 0}}, "oldest": None},
        "__compliance_repair": {"fault_count": 0, "fault_counts": {}},
        "__compliance_probes": {"results": [session(25), session(587)]},
        "__compliance_vantage": {"results": []},
    }


def here(host, port, **changes):
    """Change what the host's own session on a port got."""
    next(one for one in host["__compliance_probes"]["results"] if one["port"] == port).update(changes)


def asked(host, port, **item):
    """Let it be asked on one more port, where it relays."""
    probe = {"host": HERE, "port": port, "recipients": [], **item}
    host["__compliance_facts"]["probes"].append(probe)
    host["__compliance_probes"]["results"].append(session(port, relay=ACCEPTED, item=probe))


def there(host, *more, **changes):
    """Give it a vantage point, with what that got on port 25; it reached no other, nor those of ``more``."""
    host["compliance_vantage"] = VANTAGE
    closed = [{"connected": False, "port": port} for port in (587, 465, *more)]
    host["__compliance_vantage"]["results"] = [session(25, **changes), *closed]


def facts(host, **changes):
    host["__compliance_facts"].update(changes)


def postfix(host, **changes):
    host["__compliance_facts"]["postfix"].update(changes)


def asks(host, word):
    """Have it take mail to anybody in a domain, and the server asked for that."""
    postfix(host, bouncing=[{"domain": "b.example"}], bouncing_count=1)
    here(host, 25, recipients=[verdict(word)])


ACCEPTED, REFUSED, AUTH = verdict("accepted"), verdict("refused"), {"before_tls": ["PLAIN"], "after_tls": []}
# What is different from a good host, the control, and what that is then.
CASES = [
    (lambda host: here(host, 25, relay=ACCEPTED), "COMMON-020", "fail"),
    (lambda host: (here(host, 587, relay=ACCEPTED), facts(host, trusted=True)), "COMMON-020", "pass"),
    (lambda host: (here(host, 25, relay=ACCEPTED), facts(host, trusted=None)), "COMMON-020", "error"),
    (lambda host: (here(host, 25, relay=ACCEPTED), facts(host, trusted=None), there(host)), "COMMON-020", "pass"),
    (lambda host: there(host, relay=ACCEPTED), "COMMON-020", "fail"),
    (lambda host: here(host, 25, postmaster=REFUSED), "COMMON-020", "error"),
    (lambda host: here(host, 25, relay=verdict("deferred")), "COMMON-020", "pass"),
    (lambda host: here(host, 25, relay=verdict("deferred"), postmaster=verdict("deferred")), "COMMON-020", "error"),
    (lambda host: postfix(host, relay={"lenient": [], "everyone": ["81.0.0.0/8"]}), "COMMON-020", "fail"),
    (
        lambda host: (
            postfix(host, relay={"lenient": ["smtp/inet"]}),
            facts(host, trusted=None),
            here(host, 25, relay=ACCEPTED),
        ),
        "COMMON-020",
        "fail",
    ),
    (lambda host: postfix(host, relay={"lenient": [], "everyone": [], "doubts": ["so"]}), "COMMON-020", "error"),
    (
        lambda host: postfix(host, relay={"lenient": ["2525/inet"], "everyone": [], "doubts": ["so"]}),
        "COMMON-020",
        "fail",
    ),
    # Each service has its own mynetworks.
    (lambda host: asked(host, 2525, trusted=False), "COMMON-020", "fail"),
    (lambda host: asked(host, 2525, trusted=True), "COMMON-020", "pass"),
    (lambda host: asked(host, 2525, trusted=None), "COMMON-020", "error"),
    (lambda host: (asked(host, 2525, trusted=None), there(host, 2525)), "COMMON-020", "pass"),
    (
        lambda host: (
            asked(host, 2525, trusted=None),
            facts(host, trusted=True),
            there(host, relay=verdict("deferred")),
        ),
        "COMMON-020",
        "error",
    ),
    (lambda host: there(host, auth=AUTH), "COMMON-030", "fail"),
    (lambda host: here(host, 587, auth=AUTH), "COMMON-040", "fail"),
    (lambda host: host["__compliance_probes"]["results"].pop(), "COMMON-040", "error"),
    (lambda host: here(host, 25, unknown_recipient=ACCEPTED), "POSTFIX-010", "fail"),
    (lambda host: here(host, 25, postmaster=REFUSED), "POSTFIX-010", "error"),
    (lambda host: here(host, 25, unknown_recipient=verdict("deferred")), "POSTFIX-010", "error"),
    (lambda host: asks(host, "accepted"), "POSTFIX-010", "fail"),
    (lambda host: asks(host, "refused"), "POSTFIX-010", "pass"),
    (lambda host: asks(host, "deferred"), "POSTFIX-010", "error"),
    (lambda host: postfix(host, bouncing_count=60), "POSTFIX-010", "error"),
    (lambda host: (here(host, 25, unknown_recipient=None), facts(host, domain="")), "POSTFIX-010", "pass"),
    (
        lambda host: (
            here(host, 25, unknown_recipient=None),
            facts(host, domain=""),
            postfix(host, domains_looked_up=True),
        ),
        "POSTFIX-010",
        "error",
    ),
    (lambda host: host.update(compliance_rate_limits=["smtpd_client_mesage_rate_limit"]), "POSTFIX-050", "error"),
    (lambda host: host.update(compliance_rate_limits="smtpd_client_auth_rate_limit"), "POSTFIX-050", "pass"),
    (lambda host: postfix(host, unlimited=["0.0.0.0/0"]), "POSTFIX-050", "fail"),
    (lambda host: (there(host), host.update(compliance_ports="587, 465")), "FIREWALL-020", "pass"),
    (lambda host: (there(host), host.update(compliance_ports=587)), "FIREWALL-020", "pass"),
    # A port that is asked for relaying is none for submission.
    (lambda host: (there(host), host["__compliance_vantage"]["results"].append(session(2525))), "FIREWALL-020", "pass"),
    (lambda host: postfix(host, soft_bounce=["smtp/inet"]), "POSTFIX-060", "fail"),
    (lambda host: host["__compliance_queue"]["counts"].update(total=1), "COMMON-110", "error"),
]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """The statuses of all hosts' controls, by the number of the case; `good` for the one on which all is well."""
    play = player(tmp_path_factory.mktemp("controls"))
    tasks = [
        {"ansible.builtin.include_vars": {"file": str(ROLE / "vars/main.yml")}},
        yaml.safe_load((ROLE / "tasks/main.yml").read_text())[-1],
    ]
    made = [{"hosts": "all", "gather_facts": False, "tasks": tasks}]
    defaults = yaml.safe_load((ROLE / "defaults/main.yml").read_text())
    (play.directory / "controls.yml").write_text(yaml.safe_dump(made, sort_keys=False))
    hosts = {"good": dict(defaults, **good())}
    for number, (change, _control, _status) in enumerate(CASES):
        host = copy.deepcopy(good())
        change(host)
        hosts["case%d" % number] = dict(defaults, **host)
    run = play(
        "controls.yml", {"all_of_them": hosts}, ANSIBLE_CALLBACKS_ENABLED="mailops.rescue.report", ANSIBLE_FORKS="4"
    )
    assert run.status == 0, run.text
    document = json.loads((play.directory / "mailops-report" / "report.json").read_text())
    return {one["name"]: {control["id"]: control for control in one["controls"]} for one in document["hosts"]}


def test_all_is_well(found):
    bad = {name: one for name, one in found["good"].items() if one["status"] not in ("pass", "not_applicable")}
    assert not bad and len(found["good"]) > 15


@pytest.mark.parametrize("number", range(len(CASES)))
def test_what_is_made_of_it(found, number):
    _change, control, status = CASES[number]
    assert found["case%d" % number][control]["status"] == status, found["case%d" % number][control]
