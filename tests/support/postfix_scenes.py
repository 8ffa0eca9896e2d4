"""Runs inside a container: what a real Postfix makes of a purge and a restore, one scene at a time. Prints JSON.

python3 -m tests.support.postfix_scenes
"""

import fcntl
import json
import os
import re
import subprocess
import threading
import time
from collections import Counter

from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.hashing import (
    find_configuration,
    find_hashing,
)
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.locks import is_running
from ansible_collections.mailops.rescue.plugins.module_utils.postfix.queue.restore import PostfixRestorer
from tests.support.postfix_purge import contents, purge, quarantine_of, restore, snapshot
from tests.support.postfix_race import LOG, QUEUE, Server, Sink, orphans, run, start

OUT = {}
TEXT = b"From: <a@example.com>\nSubject: caf\xe9 \xff\nX-Long: %s\n\nFrom here\n.\n..\n\xe9\x00\nlast line without end"


class Keeper(Sink):
    """Keeps what it gets, and the envelope with it."""

    mail = []
    hold_up = threading.Event()
    drop = threading.Event()
    refuse = threading.Event()

    def _serve(self):
        self._say(b"220 sink ESMTP")
        envelope = []
        while True:
            line = self.rfile.readline(4096)
            verb = line[:4].upper().strip()
            if verb in (b"QUIT", b""):
                self._say(b"221 2.0.0 Bye")
                return
            if verb == b"EHLO":
                self.wfile.write(b"250-sink\r\n250-8BITMIME\r\n250 SIZE 100000000\r\n")
                continue
            if verb == b"MAIL":
                envelope = [re.search(rb"<(.*?)>", line).group(1)]
            if verb == b"RCPT":
                if self.refuse.is_set():
                    self._say(b"451 4.7.1 Come again")
                    continue
                envelope.append(re.search(rb"<(.*)>", line).group(1))
            if verb == b"DATA":
                if len(envelope) < 2:
                    self._say(b"503 5.5.1 No recipients")
                    continue
                self._say(b"354 Go on")
                lines = []
                while True:
                    line = self.rfile.readline(1 << 20)
                    if line in (b".\r\n", b""):
                        break
                    lines.append(line[1:] if line[:2] == b".." else line)
                while self.hold_up.is_set():
                    time.sleep(0.05)
                if self.drop.is_set():
                    return
                self.mail.append((envelope, b"".join(lines)))
            self._say(b"250 2.0.0 Ok")


def send(sender, *recipients, text=b"Subject: x\n\nx\n"):
    run("sendmail", "-i", "-f", sender, "--", *recipients, input=text)


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > end:
            return value
        time.sleep(0.1)


def places(prefix):
    return [path for paths in contents(QUEUE).values() for path in paths if path.startswith(prefix)]


def all_deferred(count):
    """Return whether `count` messages are deferred, and no delivery agent holds one that qmgr(8) moved already."""
    found = places("deferred")
    if len(found) != count:
        return False
    try:
        for path in found:
            with open(os.path.join(QUEUE, path), "rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def log_since(offset):
    with open(LOG, encoding="utf-8", errors="replace") as file:
        lines = file.read()[offset:].splitlines()
    found = [line.split("]: ", 1)[-1] for line in lines if re.search(r"warning|error|fatal|panic", line)]
    return dict(Counter(re.sub(r"\b[0-9A-F]{9,}\b", "ID", line)[:150] for line in found))


def log_size():
    with open(LOG, encoding="utf-8", errors="replace") as file:
        return len(file.read())


def rcpts():
    return Counter(one.decode() for envelope, unused in Keeper.mail for one in envelope[1:])


def scene_active():
    """One message is with a delivery agent, ten wait in "active" behind it."""
    Keeper.hold_up.set()
    run("postconf", "-e", "smtp_destination_concurrency_limit = 1", "smtp_initial_destination_concurrency = 1")
    run("postfix", "reload")
    time.sleep(1)
    for number in range(11):
        send("spam@example.com", "active%d@sink.test" % number)
    until(lambda: len(places("active")) == 11)
    time.sleep(1)
    size = log_size()
    taker = purge(QUEUE, {"sender": ["^spam@"]}, None)
    OUT["active"] = {"taken": taker.taken[0][0], "left": [reason for unused, unused, reason in taker.left.shown]}
    send("ham@example.com", "after@sink.test")
    Keeper.hold_up.clear()
    OUT["active"]["innocent delivered"] = bool(until(lambda: rcpts()["after@sink.test"] == 1))
    until(lambda: not contents(QUEUE))
    OUT["active"]["delivered"] = sum(count for name, count in rcpts().items() if name.startswith("active"))
    OUT["active"]["waiting"] = places("")
    OUT["active"]["log"] = log_since(size)
    OUT["active"]["held"] = Counter(reason for unused, reason in restore(QUEUE, running=None)) and places("hold")
    run("postsuper", "-H", "ALL")
    run("postqueue", "-f")
    until(lambda: sum(count for name, count in rcpts().items() if name.startswith("active")) == 11)
    OUT["active"]["delivered at last"] = sorted(count for name, count in rcpts().items() if name.startswith("active"))
    OUT["active"]["held"] = len(OUT["active"]["held"])
    OUT["active"]["running"] = subprocess.call(["postfix", "status"]) == 0


def scene_dead():
    """qmgr(8) gives a place up, and defers what it has in memory for it, after its files went."""
    run(
        "postconf",
        "-e",
        "smtp_destination_concurrency_failed_cohort_limit = 1",
        "default_destination_concurrency_negative_feedback = 1",
    )
    run("postfix", "reload")
    time.sleep(1)
    Keeper.hold_up.set()
    for number in range(10):
        send("spam@example.com", "dead%d@sink.test" % number)
    until(lambda: len(places("active")) == 10)
    time.sleep(1)
    size = log_size()
    taken = purge(QUEUE, {"sender": ["^spam@"]}, None).taken[0][0]
    Keeper.drop.set()
    Keeper.hold_up.clear()
    until(lambda: not places("active"))
    time.sleep(2)
    OUT["dead"] = {"taken": taken, "orphans": len(orphans(QUEUE)), "log": log_since(size)}
    Keeper.drop.clear()
    OUT["dead"]["reasons"] = sorted({str(reason) for unused, reason in restore(QUEUE, release=True, running=None)})
    run("postqueue", "-f")
    until(lambda: sum(count for name, count in rcpts().items() if name.startswith("dead")) == 10)
    OUT["dead"]["delivered"] = sorted(count for name, count in rcpts().items() if name.startswith("dead"))
    until(lambda: not contents(QUEUE))
    OUT["dead"]["orphans at last"] = len(orphans(QUEUE))
    run(
        "postconf",
        "-e",
        "smtp_destination_concurrency_failed_cohort_limit = 0",
        "default_destination_concurrency_negative_feedback = 0",
    )


def scene_exact():
    """Deferred mail of a Postfix that is stopped: the tree is the same after purge and restore."""
    Keeper.refuse.set()
    for number in range(30):
        send("spam@example.com" if number % 3 else "", "exact%d@sink.test" % number, "more%d@sink.test" % number)
    assert until(lambda: all_deferred(30))
    run("postfix", "stop")
    OUT["exact"] = {"running": is_running(QUEUE)}
    for number in range(3):
        send("spam@example.com", "drop%d@sink.test" % number)
    before = snapshot(QUEUE)
    OUT["exact"]["taken"] = purge(QUEUE, None, None).taken[0][0]
    OUT["exact"]["empty"] = contents(QUEUE) == {}
    OUT["exact"]["reasons"] = sorted({str(reason) for unused, reason in restore(QUEUE, release=True, running=None)})
    OUT["exact"]["same"] = snapshot(QUEUE) == before
    Keeper.refuse.clear()
    run("postfix", "start")
    time.sleep(2)
    run("postqueue", "-f")
    names = ["%s%d@sink.test" % (kind, number) for number in range(30) for kind in ("exact", "more")]
    names += ["drop%d@sink.test" % number for number in range(3)]
    until(lambda: all(rcpts()[name] for name in names) and not contents(QUEUE))
    OUT["exact"]["delivered"] = sorted({rcpts()[name] for name in names})


def scene_deep():
    """A queue that is hashed in another way: mail comes back to where Postfix looks."""
    run("postconf", "-e", "hash_queue_names = deferred, defer, hold", "hash_queue_depth = 2")
    run("postfix", "stop")
    run("postfix", "start")
    Keeper.refuse.set()
    time.sleep(1)
    for number in range(5):
        send("spam@example.com", "deep%d@sink.test" % number)
    assert until(lambda: all_deferred(5))
    hashing = find_hashing(QUEUE, True)
    OUT["deep"] = {
        "configuration": find_configuration(QUEUE),
        "place": hashing.place("hold", "ABCDEF1234"),
        "taken": purge(QUEUE, {"sender": ["^spam@"]}, None).taken[0][0],
    }
    restore(QUEUE, running=None)
    OUT["deep"]["held"] = sorted({path.count("/") for path in places("hold")})
    Keeper.refuse.clear()
    run("postsuper", "-H", "ALL")
    run("postqueue", "-f")
    names = ["deep%d@sink.test" % number for number in range(5)]
    until(lambda: all(rcpts()[name] for name in names) and not contents(QUEUE))
    OUT["deep"]["delivered"] = sorted({rcpts()[name] for name in names})


def scene_reinject():
    """Copies come back through sendmail: only what is pending, with every byte of the text."""
    Keeper.refuse.set()
    text = TEXT % (b"y" * 3000)
    send("sender@example.com", '"odd, one"@sink.test', "plain@sink.test", text=text)
    send("", "null@sink.test", text=text)
    many = ["many%d@sink.test" % number for number in range(300)]
    send("sender@example.com", *many)
    assert until(lambda: all_deferred(3))
    assert purge(QUEUE, {"queue": ["deferred"]}, None).taken[0][0] == 3
    Keeper.refuse.clear()
    before = len(Keeper.mail)
    with quarantine_of(QUEUE) as quarantine:
        for batch in quarantine.batches():
            # The batches of the scenes before were given back.
            if not list(batch.entries()):
                continue
            files = os.path.join(quarantine.path, batch.name, "files")
            for path in [path for paths in contents(files).values() for path in paths]:
                place = os.path.join(files, path)
                run("cp", "-p", place, place + ".x")
                os.rename(place + ".x", place)
            returner = PostfixRestorer(QUEUE, batch)
            entries = list(batch.entries())
            OUT["reinject"] = {
                "exact": sorted({(returner.problem(entry) or "none").split("batch ")[-1] for entry in entries}),
                "problems": sorted({str(returner.problem(entry, "reinject")) for entry in entries}),
            }
            # A run that was killed in the middle of one is not repeated.
            victim = [entry for entry in entries if entry.recipient_count == 300][0]
            batch.begin_return([victim.id], "reinject")
            returner.recover()
            OUT["reinject"]["unsure"] = batch.unsure() == {victim.id}
            OUT["reinject"]["reasons"] = sorted({str(reason) for unused, reason in returner.reinject(entries)})
            OUT["reinject"]["in batch"] = len(list(batch.entries()))
            returner.finish()
    until(lambda: not contents(QUEUE) and len(Keeper.mail) >= before + 9)
    mail = Keeper.mail[before:]
    found = rcpts()
    OUT["reinject"]["many"] = sorted({found[one] for one in many})
    OUT["reinject"]["envelopes"] = sorted(
        [one.decode() for one in envelope] for envelope, unused in mail if len(envelope) < 10
    )
    body = text.replace(b"\n", b"\r\n").partition(b"\r\n\r\n")[2] + b"\r\n"
    OUT["reinject"]["same text"] = [got.endswith(body) for envelope, got in mail if len(envelope) < 4]


def main():
    server = Server(("127.0.0.1", 10025), Keeper)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    start()
    # Nothing is tried again unless a scene says so.
    run("postconf", "-e", "minimal_backoff_time = 1h", "maximal_backoff_time = 1h", "smtputf8_enable = no")
    run("postfix", "reload")
    OUT["running"] = is_running(QUEUE)
    for scene in (scene_active, scene_dead, scene_exact, scene_deep, scene_reinject):
        scene()
    print(json.dumps(OUT, sort_keys=True))


if __name__ == "__main__":
    main()
