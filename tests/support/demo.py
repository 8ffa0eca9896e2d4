"""Make two queues full of spam below `.demo/`, clean one and undo it: `python -m tests.support.demo`."""

import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

from .demo_postfix import build_postfix_demo
from .demo_qmail import build_qmail_demo

ROOT = Path(__file__).resolve().parents[2]
HINTS = """\
This took %.0f s. `make demo` again makes the queues anew.
To type the commands above, first put their programs on your path:
  . .venv/bin/activate
Without confirm=false a purge shows what it would take, and asks. The other queue is yours:
  ansible-playbook playbooks/purge.yml -l demo-postfix \\
    -e '{"select": {"sasl_username": "info@example.com"}}'"""
BOUNCES = ("-l", "demo-qmail", "-e", '{"select": {"bounce": true}}')
STORY = (
    ("What is in them?", ("playbooks/inspect.yml",)),
    (
        "Take the failure notices out of the first one. They go into quarantine:",
        ("playbooks/purge.yml", *BOUNCES, "-e", "confirm=false"),
    ),
    (
        "It was a mistake? Put back exactly what was taken:",
        ("playbooks/restore.yml", "-l", "demo-qmail", "-e", "batch=latest", "-e", "confirm=false"),
    ),
)


def build(directory, now):
    """Write both queues below `directory`, replacing earlier ones; return the number of messages in each."""
    shutil.rmtree(directory, ignore_errors=True)
    return (build_qmail_demo(directory / "qmail" / "queue", now), build_postfix_demo(directory / "postfix", now))


def play(arguments):
    """Run a playbook on the demo's hosts, without a line for each task; return its exit status."""
    player = Path(sys.executable).with_name("ansible-playbook")
    environment = dict(
        os.environ,
        ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"),
        ANSIBLE_DISPLAY_OK_HOSTS="false",
        ANSIBLE_DISPLAY_SKIPPED_HOSTS="false",
    )
    return subprocess.call([str(player), "-i", "inventory/demo", *arguments], cwd=ROOT, env=environment)


def main():
    """Build, inspect, purge and restore; return the exit status of the first playbook that failed, or 0."""
    started = time.time()
    qmail, postfix = build(ROOT / ".demo", started)
    print("Two mail servers are full of spam. Their queues are copies for you to play with, in .demo/:")
    print("  demo-qmail    %5d messages   .demo/qmail/queue" % qmail)
    print("  demo-postfix  %5d messages   .demo/postfix" % postfix)
    for sentence, arguments in STORY:
        print("\n%s\n$ ansible-playbook %s" % (sentence, " ".join(map(shlex.quote, arguments))), flush=True)
        status = play(arguments)
        if status:
            return status
    print(HINTS % (time.time() - started))
    return 0


if __name__ == "__main__":
    sys.exit(main())
