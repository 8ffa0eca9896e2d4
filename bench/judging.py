"""What judging a fleet takes on the controller, in processor time, since machines are noisy."""

import os
import shutil
import tempfile
import time
from pathlib import Path

import yaml

from ansible_collections.mailops.rescue.plugins.plugin_utils.compliance.judge import judge
from tests.support.playing import ROOT, player
from tests.unit.plugins.plugin_utils.compliance.judging import host_facts, judged

ROLE = ROOT / "roles" / "compliance"
LIMIT_SECONDS = 2
REGISTERED = ("facts", "queue", "repair", "probes", "before")


def measure(hosts=100):
    """Print what the controls take, and the task that records them beside one that does nothing; return whether the
    controls stay below the limit.
    """
    mtas = ["qmail" if number % 2 else "postfix" for number in range(hosts)]
    print("compliance, all controls on %d hosts" % hosts)
    facts = [host_facts({"mta": mta}) for mta in mtas]
    began = time.process_time()
    recorded = sum(len(judge(host, "auto")) for host in facts)
    took = time.process_time() - began
    _line("%d controls judged" % recorded, took, "" if took < LIMIT_SECONDS else "  MORE THAN %d s" % LIMIT_SECONDS)
    inventory = {"host%d" % number: _variables(mta) for number, mta in enumerate(mtas)}
    read = {"ansible.builtin.include_vars": {"file": str(ROLE / "vars/main.yml")}}
    base = _played(inventory, [read])
    nothing = _played(inventory, [read, {"ansible.builtin.debug": {"msg": "nothing"}}]) - base
    task = yaml.safe_load((ROLE / "tasks/main.yml").read_text())[-1]
    recording = _played(inventory, [read, task]) - base
    _line("a task that does nothing", nothing)
    _line("the task that records them", recording, "  %.1f x a task that does nothing" % (recording / nothing))
    return took < LIMIT_SECONDS


def _variables(mta):
    """What the role has registered of a host by then."""
    given = judged({"mta": mta})
    variables = yaml.safe_load((ROLE / "defaults/main.yml").read_text())
    variables.update({"__compliance_%s" % name: given[name] for name in REGISTERED})
    return dict(
        variables, __compliance_vantage={"results": []}, compliance_rate_limits=given["settings"]["rate_limits"]
    )


def _played(inventory, tasks):
    """The processor time of a playbook of these tasks."""
    directory = Path(tempfile.mkdtemp(prefix="rescue-bench-"))
    try:
        play = player(directory)
        playbook = [{"hosts": "all", "gather_facts": False, "tasks": tasks}]
        (directory / "judging.yml").write_text(yaml.safe_dump(playbook, sort_keys=False))
        began = os.times()
        run = play("judging.yml", {"mail": inventory})
        ended = os.times()
        if run.status:
            raise SystemExit(run.text)
        return ended.children_user - began.children_user + ended.children_system - began.children_system
    finally:
        shutil.rmtree(directory)


def _line(name, took, more=""):
    print("  %-30s %7.2f s%s" % (name, took, more), flush=True)
