#!/usr/bin/env python
"""Runs the playbooks under the oldest and the newest versions of ansible-core, on local copies of queues.

The everyday version is what all other tests run under. A version whose Python is not found here is named, not run.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "controllers"
# ansible-core, Python of the controller, Python of the host
VERSIONS = [
    ("ansible-core>=2.16,<2.17", (10, 11, 12), (6,)),
    ("ansible-core>=2.21,<2.22", (12,), (9, 10, 11, 12)),
    # Its release candidate is the newest at the time of writing.
    ("ansible-core>=2.22.0rc1,<2.23", (13,), (13,)),
]

sys.path.insert(0, str(ROOT))

from tests.support.demo import build  # noqa: E402

HOSTS = """\
all:
  vars:
    ansible_connection: local
    ansible_python_interpreter: {python}
    mailops_become: false
  children:
    qmail:
      hosts:
        demo-qmail: {{mailops_queue_directory: {queues}/qmail/queue}}
    postfix:
      hosts:
        demo-postfix: {{mailops_queue_directory: {queues}/postfix}}
"""


def pythons():
    """Return {minor version: path} of the Pythons found."""
    found = subprocess.run([ROOT / "scripts" / "pythons"], check=True, capture_output=True, text=True).stdout
    return {int(path.rsplit("python3.", 1)[1]): path for path in found.split()}


def controller(spec, python):
    """Return the directory of the programs of an environment with this ansible-core."""
    place = CACHE / spec.split("=")[1].split(",")[0]
    if not (place / "bin" / "ansible-playbook").exists():
        subprocess.run([python, "-m", "venv", "--clear", str(place)], check=True)
        pip = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, spec], check=True)
    return place / "bin"


def run(programs, inventory, *arguments):
    environment = dict(
        os.environ,
        ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"),
        ANSIBLE_LOCALHOST_WARNING="False",
        ANSIBLE_NOCOLOR="1",
        _ANSIBLE_TEMPLAR_UNTRUSTED_TEMPLATE_BEHAVIOR="error",
    )
    command = [programs / "ansible-playbook", "-i", inventory, *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def faults(programs, inventory):
    """Yield what is wrong with the playbooks under one version."""
    bounces = '{"select": {"bounce": true}, "limit": 1}'
    sent = '{"select": {"sasl_username": "info@example.com"}, "waves": 1, "confirm": false}'
    # Back to where it was, for the next version.
    latest = '{"batch": "latest", "confirm": false, "waves": 1, "release": true}'
    # Nobody is asked on that port.
    silent = '{"mailops_smtp_port": 1, "compliance_vantage": "", "fail_on": "never"}'
    for arguments, status, expected in (
        (["playbooks/inspect.yml"], 0, ["1,996 of 2,045 messages", "sent with the login"]),
        (["playbooks/view.yml", "-l", "demo-qmail", "-e", bounces], 0, ["1 of 1,996 selected messages"]),
        (["playbooks/comply.yml", "-e", silent], 0, ["COMMON-100 (high) The queue is short", "2 hosts: "]),
        (["playbooks/purge.yml", "-e", bounces, "--check"], 0, ["WOULD PURGE  1,996 messages", "This was a check"]),
        (["playbooks/purge.yml", "-e", bounces], 2, ["WOULD PURGE  1,996 messages", "use confirm=false"]),
        (["playbooks/purge.yml", "-e", bounces, "-e", "confirm=false"], 0, ["PURGED  1,996 messages", "39 remote"]),
        (["playbooks/purge.yml", "-e", sent], 0, ["PURGED  1,507 messages", "NOTHING TO DO", "still being written"]),
        (["playbooks/quarantine.yml", "-e", "verify=true"], 0, ["QUARANTINE  3,503 messages in ", "no file differs"]),
        (["playbooks/restore.yml", "-e", latest], 0, ["RESTORED  1,996 messages", "RESTORED  1,507 messages"]),
    ):
        done = run(programs, inventory, *arguments)
        output = done.stdout + done.stderr
        wrong = ["exit status %d" % done.returncode] if done.returncode != status else []
        wrong += ["no %r" % text for text in expected if text not in output]
        # A question that nobody can answer is one to be warned of.
        strange = ["[DEPRECATION WARNING]", "Traceback"] + ([] if status else ["[WARNING]"])
        wrong += ["%r" % text for text in strange if text in output]
        if wrong:
            yield "%s: %s\n%s" % (arguments[0], ", ".join(wrong), output)


def main():
    found, failed, left_out = pythons(), False, []
    with tempfile.TemporaryDirectory() as directory:
        build(Path(directory) / "queues", time.time())
        for spec, controllers, targets in VERSIONS:
            ours = next((found[minor] for minor in controllers if minor in found), None)
            theirs = next((found[minor] for minor in targets if minor in found), None)
            if not (ours and theirs):
                left_out.append(spec)
                continue
            inventory = Path(directory) / "hosts.yml"
            inventory.write_text(HOSTS.format(python=theirs, queues=Path(directory) / "queues"))
            wrong = list(faults(controller(spec, ours), inventory))
            print("%-32s %s -> %s: %s" % (spec, ours, theirs, "FAILED" if wrong else "passed"), flush=True)
            print("\n".join(wrong), end="\n" if wrong else "")
            failed = failed or bool(wrong)
    for spec in left_out:
        print("%-32s NOT RUN: no Python for it here" % spec)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
