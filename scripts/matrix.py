#!/usr/bin/env python
"""Runs the modules that managed hosts run on every Python found here, and compares their results.

ansible-core 2.16 serves as the other half of a module, the last one whose modules run on Python 3.6.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CORE = ROOT / ".cache" / "ansible-core-2.16"
ON_HOSTS = ["plugins/module_utils", "plugins/modules"]
MODULES = "plugins/modules/%s.py"
OLDEST, NEWEST = 6, 13
VOLATILE = {"age", "age_histogram", "seconds", "invocation", "batch", "batches", "restore_hint"}

sys.path.insert(0, str(ROOT))

from tests.support.postfix_queue import PostfixQueue  # noqa: E402
from tests.support.purging import snapshot  # noqa: E402
from tests.support.qmail_queue import QmailQueue, failure_notice  # noqa: E402
from tests.support.smtp_server import Script, certificate, serving  # noqa: E402

CONTENT = "From: a@example.net\nSubject: =?UTF-8?Q?Gr=C3=BC=C3=9Fe?= %d\n\nHello\n"
ARGUMENTS = {
    "limit": 50,
    "content": "headers",
    "select": {"subject": "Gr\u00fc\u00dfe|failure", "body": ["^H"]},
}
PURGE = {"select": ARGUMENTS["select"], "label": "Gr\u00fc\u00dfe"}
RESTORE = {"batch": "latest", "release": True}
PROBE = {"unknown_domain": "example.com", "recipients": ["info@example.com"], "relay": True, "timeout": 60}
# What ipaddress says of the large ones differs between versions.
NETWORKS = "127.0.0.0/8 0.0.0.0/0 [::]/0 0.0.0.0/1 10.0.0.0/7 10.0.0.0/8 [fc00::]/7 81.2.0.0/16 static:all"
EVERYONE = """
import sys
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.hardening.client_lists import Networks
print(Networks(sys.argv[1]).everyone)
"""
# What the libraries of these Pythons make of one handshake may differ.
UNLIKE = {"version", "cipher"}


def build(directory):
    qmail, postfix = QmailQueue(directory / "qmail"), PostfixQueue(directory / "postfix")
    for number in range(20):
        content, recipient = CONTENT % number, "r%d@example.org" % number
        qmail.add(content, "s@example.net", remote=[recipient])
        postfix.add(content, "s@example.net", [recipient])
        notice = failure_notice("s@example.net", [(recipient, "No such user")], content)
        qmail.add(notice, "", remote=["s@example.net"], origin="bounce")
    return {"qmail": qmail.path, "postfix": postfix.path}


def get_core():
    if not CORE.exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check"]
        subprocess.run([*pip, "--target", str(CORE), "ansible-core==2.16.*"], check=True)


def run(python, *command, **options):
    environment = dict(os.environ, PYTHONPATH="%s:%s" % (ROOT, CORE), PYTHONDONTWRITEBYTECODE="1")
    return subprocess.run(
        [python, *command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, **options
    )


def steady(value):
    if isinstance(value, dict):
        return {key: steady(item) for key, item in value.items() if key not in VOLATILE}
    return [steady(item) for item in value] if isinstance(value, list) else value


COMPILE = """
import sys
for name in sys.argv[1:]:
    with open(name, "rb") as f:
        compile(f.read(), name, "exec", dont_inherit=True)
"""


def examine(python, queues, server):
    sources = [str(path) for folder in ON_HOSTS for path in sorted((ROOT / folder).rglob("*.py"))]
    done = run(python, "-c", COMPILE, *sources)
    if done.returncode != 0:
        raise ValueError(done.stderr)
    names = [
        "ansible_collections.mailops.rescue."
        + os.path.relpath(path, ROOT)[:-3].replace("/", ".").replace(".__init__", "")
        for path in sources
    ]
    done = run(
        python,
        "-W",
        "error::SyntaxWarning",
        "-c",
        "import importlib, sys; [importlib.import_module(n) for n in sys.argv[1:]]",
        *names,
    )
    if done.returncode != 0:
        raise ValueError(done.stderr)
    results = {}
    for mta, directory in queues.items():
        queue = {"mta": mta, "queue_directory": directory}
        found = results[mta] = call(python, "queue_info", dict(ARGUMENTS, **queue))
        if found["counts"]["matched"] < 20:
            raise ValueError("%s: selects %r" % (mta, found["counts"]))
        results[mta, "purge"], results[mta, "restore"] = there_and_back(python, queue)
    results["probe"] = probe(python, server)
    results["everyone"] = everyone(python)
    return results


def call(python, module, arguments):
    """Return a module's result, without what differs from run to run."""
    done = run(python, MODULES % module, input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}))
    if done.returncode != 0:
        raise ValueError(done.stdout + done.stderr)
    return steady(json.loads(done.stdout))


def there_and_back(python, queue):
    """Purge and restore; return the two results. The queue is as before then, for the next Python."""
    before = snapshot(queue["queue_directory"])
    purge = call(python, "queue_purge", dict(PURGE, **queue))
    restore = call(python, "queue_restore", dict(RESTORE, **queue))
    if not purge["purged"] == restore["restored"] == purge["matched"] >= 20:
        raise ValueError("%(mta)s: not all was taken and restored" % queue + ": %r %r" % (purge, restore))
    if snapshot(queue["queue_directory"]) != before:
        raise ValueError("%(mta)s: the queue is not as it was before the purge" % queue)
    return purge, restore


def everyone(python):
    """Return which networks are taken for everyone's."""
    done = run(python, "-c", EVERYONE, NETWORKS)
    if done.returncode != 0 or "0.0.0.0/0" not in done.stdout:
        raise ValueError(done.stdout + done.stderr)
    return done.stdout


def probe(python, server):
    """Ask a server with a certificate; return the result without what chance or a library has a part in."""
    with serving(server) as port:
        found = call(python, "smtp_probe", dict(PROBE, port=port))
    if not found["starttls"]["ok"] or not found["starttls"]["certificate"]["not_after"]:
        raise ValueError("no TLS: %r" % found)
    for name in UNLIKE:
        del found["starttls"][name]
    del found["port"], found["unknown_recipient"]["address"]
    return found


def main():
    get_core()
    found = subprocess.run([ROOT / "scripts" / "pythons"], check=True, capture_output=True, text=True).stdout.split()
    status, reference, seen = 0, None, set()
    with tempfile.TemporaryDirectory() as directory:
        queues = build(Path(directory))
        server = Script(context=certificate(Path(directory))[0])
        for python in [sys.executable, *found]:
            version = run(python, "-c", "import platform; print(platform.python_version())").stdout.strip()
            seen.add(int(version.split(".")[1]))
            try:
                result = examine(python, queues, server)
            except ValueError as error:
                print("Python %s: FAILED\n%s" % (version, error))
                status = 1
                continue
            reference = reference or result
            if result == reference:
                print("Python %s: ok" % version)
            else:
                print("Python %s: FAILED: the result differs\n%r\n%r" % (version, result, reference))
                status = 1
    missing = ["3.%d" % minor for minor in range(OLDEST, NEWEST + 1) if minor not in seen]
    if missing:
        print("NOT RUN, no such interpreter here: Python " + ", ".join(missing))
    return status


if __name__ == "__main__":
    sys.exit(main())
