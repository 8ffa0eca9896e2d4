"""Connect to the servers, as a client. Fail where what happens is not what is expected.

usage: reach.py check SERVER=open|refused|dropped...   submission on each server; SSH and SMTP must be open on all
       reach.py hammer SERVER...                       some of many connections in a row must be let in, and some not
       reach.py hold FILE                              keep a connection to each server, until FILE is there
       reach.py held FILE                              say which of these connections still worked then
"""

import os
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor

ADDRESSES = {
    "nftables": ("198.18.87.11", "2001:db8:587::11"),
    "firewalld": ("198.18.87.12", "2001:db8:587::12"),
    "ufw": ("198.18.87.13", "2001:db8:587::13"),
}
UNTOUCHED = (22, 25)
SUBMISSION = (587, 465)
PATIENCE = 60
# For what is expected to be dropped; the kernel sends its first packet three times within it.
DROPPED = 4
TIMES = 25


def outcome(address, port, seconds):
    try:
        with socket.create_connection((address, port), seconds) as connection:
            # On 465 the client speaks first.
            if port != 465 and not connection.recv(100).startswith(b"220 "):
                return "no greeting"
    except socket.timeout:
        return "dropped"
    except OSError as error:
        return "refused" if isinstance(error, ConnectionRefusedError) else str(error)
    return "open"


def check(expected):
    wanted = {}
    for one in expected:
        server, unused, what = one.partition("=")
        for address in ADDRESSES[server]:
            wanted.update({(address, port): "open" for port in UNTOUCHED})
            wanted.update({(address, port): what for port in SUBMISSION})

    def look(key):
        return outcome(key[0], key[1], DROPPED if wanted[key] == "dropped" else PATIENCE)

    with ThreadPoolExecutor(len(wanted)) as pool:
        found = dict(zip(wanted, pool.map(look, wanted)))
    wrong = [
        "%s port %d: expected %s, got %s" % (key + (wanted[key], found[key]))
        for key in wanted
        if found[key] != wanted[key]
    ]
    print("%d connections" % len(found))
    return wrong


def hammer(servers):
    addresses = [address for server in servers for address in ADDRESSES[server]] * TIMES
    with ThreadPoolExecutor(len(addresses)) as pool:
        found = list(zip(addresses, pool.map(lambda address: outcome(address, 587, DROPPED), addresses)))
    wrong = []
    for address in sorted(set(addresses)):
        let_in = found.count((address, "open"))
        print("%s: %d of %d" % (address, let_in, TIMES))
        if not 0 < let_in < TIMES - 5:
            wrong.append("%s: %d of %d connections were let in" % (address, let_in, TIMES))
    return wrong


def hold(file):
    """Write down which connections still work once `file` is there."""
    held = {server: socket.create_connection((ADDRESSES[server][0], 587), PATIENCE) for server in ADDRESSES}
    for connection in held.values():
        connection.recv(1000)
    # systemd-run waits until the first process ends.
    if os.fork():
        os._exit(0)
    while not os.path.exists(file):
        time.sleep(0.1)
    alive = []
    for server, connection in held.items():
        connection.settimeout(DROPPED)
        try:
            connection.sendall(b"NOOP\r\n")
            if connection.recv(100).startswith(b"250 "):
                alive.append(server)
        except OSError:
            pass
    with open(file + ".alive.new", "w") as output:
        output.write(" ".join(sorted(alive)))
    os.rename(file + ".alive.new", file + ".alive")
    return []


def held(file):
    """Print the servers to which connections still work."""
    with open(file, "w"):
        pass
    deadline = time.monotonic() + 60
    while not os.path.exists(file + ".alive"):
        if time.monotonic() > deadline:
            return ["nobody held a connection"]
        time.sleep(0.1)
    with open(file + ".alive") as found:
        print(found.read())
    return []


if __name__ == "__main__":
    if sys.argv[1] == "check":
        problems = check(sys.argv[2:])
    elif sys.argv[1] == "hammer":
        problems = hammer(sys.argv[2:])
    else:
        problems = {"hold": hold, "held": held}[sys.argv[1]](sys.argv[2])
    sys.exit("\n".join(problems) or 0)
