"""Hosts of the cases in `cases/`: one on which all is well, and what is different on it."""

import copy
from pathlib import Path

import yaml

from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.host_facts import HostFacts
from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.remedies import Remedies

__all__ = ["CASES", "host_facts", "judged"]

HERE = Path(__file__).parent
CASES = {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in sorted((HERE / "cases").glob("*.yml"))}
WELL = {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in sorted((HERE / "hosts").glob("*.yml"))}
ADDRESSES = {"postfix": "192.0.2.25", "qmail": "127.0.0.1"}
QUESTIONS = ("relay", "postmaster", "unknown_recipient")


def judged(case):
    """The facts of a case, as the judge takes them."""
    mta = case.get("mta", "postfix")
    given = copy.deepcopy(WELL[mta])
    for part in ("facts", "queue", "repair", "before", "settings"):
        merge(given[part], copy.deepcopy(case.get(part, {})))
    for path in case.get("without", ()):
        *parents, last = path.split(".")
        branch = given
        for parent in parents:
            branch = branch[parent]
        branch.pop(last, None)
    sessions = merge({25: {}, 587: {}}, case.get("sessions", {}))
    given["probes"] = {"results": [session(port, ADDRESSES[mta], sessions[port]) for port in sessions]}
    outside = case.get("outside", {})
    given["vantage_probes"] = case.get("vantage_probes") or {
        "results": [session(port, ADDRESSES[mta], outside[port]) for port in outside]
    }
    if outside:
        given["settings"]["vantage"] = "mx9"
    return given


def host_facts(case):
    given = judged(case)
    return HostFacts("mx1", given, Remedies("mx1", queue_options={"mta": given["facts"].get("mta", "auto")}))


def session(port, address, changes):
    """A result of smtp_probe; `changes`: what is not as it should be, or that it was `silent` or the port `closed`."""
    if changes == "silent":
        return {"failed": True, "port": port, "error": "Connection refused"}
    if changes == "closed":
        return {"connected": False, "port": port}
    made = {
        "address": address,
        "port": port,
        "connected": True,
        "helo_code": 250,
        "relay": "refused",
        "postmaster": "accepted" if port == 25 else None,
        "unknown_recipient": "refused" if port == 25 else None,
        "starttls": {"offered": False},
        "recipients": {},
        **changes,
        "auth": {"before_tls": [], "after_tls": [], **changes.get("auth", {})},
    }
    made.update({name: answer(made[name]) for name in QUESTIONS if made[name]})
    made["recipients"] = [dict(answer(word), address=address) for address, word in made["recipients"].items()]
    return made


def answer(word):
    return {"verdict": word, "code": 250 if word == "accepted" else 554, "text": "so it says", "address": "a@b.example"}


def merge(into, changes):
    for name, value in changes.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            merge(into[name], value)
        else:
            into[name] = value
    return into
