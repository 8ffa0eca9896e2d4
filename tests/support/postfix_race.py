"""Runs inside a container: a Postfix that takes and delivers mail while it is purged. Prints JSON.

    python3 -m tests.support.postfix_race COUNT

A third of the mail meets a server that wants it to come again, a sixth one that never takes it before the end; a part
comes through sendmail(1). Senders are spam@ and ham@, half of each; each message has a recipient of its own.
"""

import json
import os
import re
import smtplib
import socketserver
import subprocess
import sys
import threading
import time
from collections import Counter

from ansible_collections.mailops.rescue.plugins.module_utils.mail.message import ENVELOPE, STAT
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.locks import is_running
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.reader import PostfixReader
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.restore import PostfixRestorer
from tests.support.postfix_purge import contents, purge, quarantine_of

QUEUE = "/var/spool/postfix"
LOG = "/var/log/maillog"
SPAM = {"sender": ["^spam@"]}
WAIT = 600
CONFIGURATION = (
    "maillog_file = " + LOG,
    "inet_interfaces = loopback-only",
    "inet_protocols = ipv4",
    "mydestination =",
    "mynetworks = 127.0.0.0/8",
    "relayhost = [127.0.0.1]:10025",
    "disable_dns_lookups = yes",
    "default_transport = smtp",
    "relay_transport = smtp",
    "smtp_host_lookup = native",
    "queue_run_delay = 2s",
    "minimal_backoff_time = 3s",
    "maximal_backoff_time = 6s",
    "smtpd_client_connection_count_limit = 0",
    "smtpd_client_connection_rate_limit = 0",
    "in_flow_delay = 0",
    "smtp_destination_concurrency_failed_cohort_limit = 0",
    "smtp_destination_concurrency_limit = 8",
    "default_process_limit = 60",
    "default_destination_concurrency_negative_feedback = 0",
    "bounce_queue_lifetime = 1d",
)


class Sink(socketserver.StreamRequestHandler):
    """Takes each recipient's message: at once, at the second attempt, or once all is `over`."""

    delivered = Counter()
    tried = Counter()
    over = threading.Event()
    lock = threading.Lock()

    def handle(self):
        try:
            self._serve()
        except OSError:
            pass

    def _say(self, line):
        self.wfile.write(line + b"\r\n")

    def _serve(self):
        self._say(b"220 sink ESMTP")
        wanted = None
        while True:
            line = self.rfile.readline(4096)
            verb = line[:4].upper().strip()
            if verb in (b"QUIT", b""):
                self._say(b"221 2.0.0 Bye")
                return
            if verb == b"RCPT":
                wanted = line.partition(b"<")[2].partition(b"@")[0].decode()
                self._say(b"250 2.1.5 Ok" if self._take(wanted) else b"451 4.7.1 Come again")
            elif verb == b"DATA":
                self._say(b"354 Go on")
                while self.rfile.readline(65536) not in (b".\r\n", b""):
                    pass
                # So that mail is in "active" for a while.
                time.sleep(0.05)
                with self.lock:
                    self.delivered[wanted] += 1
                self._say(b"250 2.0.0 Ok")
            else:
                self._say(b"250 2.0.0 Ok")

    def _take(self, name):
        number = int(re.sub(r"\D", "", name) or 0)
        with self.lock:
            self.tried[name] += 1
            if self.over.is_set() or number % 6 < 3:
                return True
            return number % 6 < 5 and self.tried[name] > 1


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 100


def run(*command, **options):
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True, **options)


def start():
    run("postconf", "-e", *CONFIGURATION)
    run("postconf", "-F", "*/*/chroot = n")
    run("postfix", "start")
    end = time.monotonic() + 60
    while True:
        try:
            smtplib.SMTP("127.0.0.1", 25, timeout=10).quit()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def name_of(number):
    # Not the same rhythm as the sink's.
    return ("spam" if number // 6 % 2 else "ham") + str(number)


def inject(numbers):
    client = smtplib.SMTP("127.0.0.1", 25, timeout=120)
    for number in numbers:
        name = name_of(number)
        sender = re.sub(r"\d", "", name) + "@example.com"
        text = "From: <%s>\r\nTo: <%s@sink.test>\r\nSubject: %s\r\n\r\n%s\r\n" % (sender, name, name, "line\r\n" * 20)
        if number % 20 == 7:
            run("sendmail", "-i", "-f", sender, name + "@sink.test", input=text.replace("\r\n", "\n").encode())
        else:
            client.sendmail(sender, [name + "@sink.test"], text)
    client.quit()


def names_in(root):
    """Return a Counter of the messages below a queue directory, by name, as often as one is there."""
    reader, found = PostfixReader([root]), Counter()
    for part in reader.early_parts() + reader.parts():
        for message in reader.read(part, lambda *unused: None):
            try:
                reader.load(message, ENVELOPE | STAT)
            except Exception as error:
                found["unread: %s" % error] += 1
                continue
            found.update(one.address.decode().partition("@")[0] for one in message.recipients)
    return found


def in_quarantine():
    found = Counter()
    with quarantine_of(QUEUE) as quarantine:
        for name in quarantine.names():
            found += names_in(os.path.join(quarantine.path, name, "files"))
    return found


def orphans(root):
    known = set(contents(root))
    return sorted(
        "%s/%s" % (log, name)
        for log in ("defer", "bounce", "trace")
        for unused, below, names in os.walk(os.path.join(root, log))
        for name in names
        if name not in known
    )


def drain(what):
    """Wait until the queue is empty; return what is left in it where it does not become so."""
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        run("postqueue", "-f")
        time.sleep(2)
        left = contents(QUEUE)
        if not left:
            return {}
    return {"%s: %s" % (what, queue_id): paths for queue_id, paths in list(left.items())[:20]}


def restore():
    reasons = Counter()
    with quarantine_of(QUEUE) as quarantine:
        for batch in quarantine.batches():
            returner = PostfixRestorer(QUEUE, batch, release=True)
            good = []
            for entry in batch.entries():
                reason = returner.problem(entry)
                if reason is None:
                    good.append(entry)
                else:
                    reasons[reason.replace(entry.id, "ID")] += 1
            for first in range(0, len(good), 500):
                for entry, reason in returner.give_back(good[first : first + 500]):
                    reasons[reason and reason.replace(entry.id, "ID")] += 1
            returner.finish()
    return {str(reason): count for reason, count in reasons.items()}


def main(count):
    server = Server(("127.0.0.1", 10025), Sink)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    start()
    result = {"running": is_running(QUEUE), "count": count}
    began = time.monotonic()
    clients = [threading.Thread(target=inject, args=(range(first, count, 4),)) for first in range(4)]
    for one in clients:
        one.start()
    time.sleep(1)
    left, passes, taken, from_active, failures = Counter(), 0, 0, 0, []
    quiet = False
    while True:
        last = quiet
        quiet = not any(one.is_alive() for one in clients)
        taker = purge(QUEUE, SPAM, None)
        passes += 1
        taken += taker.taken[0][0]
        left.update(reason for unused, unused, reason in taker.left.shown)
        failures += [taker.failure] if taker.failure else []
        if last and not taker.taken[0][0] and not taker.left.count:
            break
        time.sleep(0.1)
    result["raced"] = round(time.monotonic() - began, 1)
    with quarantine_of(QUEUE) as quarantine:
        for batch in quarantine.batches():
            from_active += sum(entry.queue == "active" for entry in batch.entries())
    result.update(passes=passes, taken=taken, from_active=from_active, left=dict(left), failures=failures)
    quarantined = in_quarantine()
    waiting = names_in(QUEUE)
    delivered = Counter(Sink.delivered)
    everyone = [name_of(number) for number in range(count)]
    result["spam_waiting"] = [name for name in waiting if name.startswith("spam")][:20]
    result["spam_both"] = [name for name in everyone if delivered[name] and quarantined[name]][:20]
    result["spam_neither"] = [
        name for name in everyone if name.startswith("spam") and delivered[name] + quarantined[name] != 1
    ][:20]
    result["ham_quarantined"] = [name for name in quarantined if not name.startswith("spam")][:20]
    result["ham_held"] = [
        path for paths in contents(QUEUE).values() for path in paths if path.startswith(("hold", "corrupt"))
    ][:20]
    result["spam_delivered"] = sum(delivered[name] for name in everyone if name.startswith("spam"))
    Sink.over.set()
    result["stuck"] = drain("before")
    result["ham_wrong"] = [name for name in everyone if name.startswith("ham") and Sink.delivered[name] != 1][:20]
    result["orphaned"] = orphans(QUEUE)[:20]
    result["restored"] = restore()
    result["stuck"].update(drain("after"))
    result["wrong_at_last"] = [(name, Sink.delivered[name]) for name in everyone if Sink.delivered[name] != 1][:20]
    result["in_quarantine_at_last"] = sum(in_quarantine().values())
    with open(LOG, encoding="utf-8", errors="replace") as file:
        lines = [line for line in file if re.search(r"warning|error|fatal|panic", line)]
    kinds = Counter(re.sub(r"\b[0-9A-F]{9,}\b", "ID", line.split("]: ", 1)[-1].strip())[:150] for line in lines)
    result["log"] = dict(kinds.most_common(30))
    result["seconds"] = round(time.monotonic() - began, 1)
    print(json.dumps(result, sort_keys=True))


if __name__ == "__main__":
    main(int(sys.argv[1]))
