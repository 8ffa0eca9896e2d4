"""Make two queues full of spam below `.demo/`, and inspect them: `python -m tests.support.demo`."""

import os
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
What else is in these queues, and must survive any purge:
  ansible-playbook playbooks/inspect.yml -l demo-qmail -e '{"exclude": {"bounce": true}}'
  ansible-playbook playbooks/inspect.yml -l demo-postfix \\
    -e '{"exclude": {"sasl_username": "info@example.com"}}'"""
INSPECT = ("playbooks/inspect.yml", "-i", "inventory/demo")


def build(directory, now):
    """Write both queues below `directory`, replacing earlier ones; return the number of messages in each."""
    shutil.rmtree(directory, ignore_errors=True)
    return (build_qmail_demo(directory / "qmail" / "queue", now),
            build_postfix_demo(directory / "postfix", now))


def main():
    """Build and inspect; return ansible-playbook's exit status."""
    started = time.time()
    qmail, postfix = build(ROOT / ".demo", started)
    print("Two mail servers are full of spam. Their queues are copies for you to play with, in .demo/:")
    print("  demo-qmail    %5d messages   .demo/qmail/queue" % qmail)
    print("  demo-postfix  %5d messages   .demo/postfix" % postfix)
    print("\n$ ansible-playbook " + " ".join(INSPECT), flush=True)
    player = Path(sys.executable).with_name("ansible-playbook")
    environment = dict(os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"))
    status = subprocess.call([str(player), *INSPECT], cwd=ROOT, env=environment)
    print(HINTS % (time.time() - started))
    return status


if __name__ == "__main__":
    sys.exit(main())
