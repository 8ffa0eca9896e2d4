"""Sets up a qmail with a local domain and a virtual one, which bounce; where qmail is not here, its double's files.

Known are `known` in both, and the user `joe`. Nobody listens where remote mail goes.
"""

import json
import os
import subprocess

import discard
import fill_qmail

VIRTUAL_HOME = "/srv/mail/" + discard.VIRTUAL
ASSIGN = "+{0}-:virtual:{1}:{2}:{3}:-::\n.\n"


def write(path, text, owner):
    fill_qmail.write(path, text)
    os.chmod(path, 0o644)
    os.chown(path, *owner)


def add_user(name, home, number):
    # Out of the way of qmail's users, who get the ids that they have elsewhere.
    subprocess.run(["useradd", "-N", "-M", "-u", number, "-d", home, "-s", "/bin/true", name], check=True)
    return discard.ids(name)


def main():
    home = discard.HOME
    os.makedirs(home + "/users", exist_ok=True)
    fill_qmail.CONTROL["virtualdomains"] = "%s:%s" % (discard.VIRTUAL, discard.VIRTUAL)
    fill_qmail.CONTROL["concurrencyremote"] = "10"
    fill_qmail.ALIASES.clear()
    virtual, joe = add_user("virtual", VIRTUAL_HOME, "40001"), add_user("joe", "/home/joe", "40002")
    for path, owner in ((VIRTUAL_HOME, virtual), ("/home/joe", joe)):
        os.makedirs(path)
        os.chown(path, *owner)
    write(home + "/users/assign", ASSIGN.format(discard.VIRTUAL, *virtual, VIRTUAL_HOME), (0, 0))
    discard.server().set_up(fill_qmail)
    write(discard.ALIAS + "/.qmail-known", "./box\n", discard.owner(discard.ALIAS))
    write("/home/joe/.qmail-list", "./list\n", joe)
    write("/home/joe/.qmail-refused", "|bouncesaying 'No.'\n", joe)
    write(VIRTUAL_HOME + "/.qmail-known", "./box\n", virtual)
    write(VIRTUAL_HOME + "/.qmail-default", "|bouncesaying 'No such address.'\n", virtual)
    os.utime(VIRTUAL_HOME + "/.qmail-default", (1000000000, 1000000000))
    with open(discard.HERE + "before.json", "w") as f:
        json.dump(discard.snapshot(), f)


if __name__ == "__main__":
    main()
