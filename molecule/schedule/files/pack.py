"""Packs what makes a container a control node: ansible-core, ansible-runner, the collection and scripts.

usage: pack.py CHECKOUT TARGET; wheels for the container's Python are fetched once, and kept in the checkout's .cache.
"""

import configparser
import io
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile

import tomllib

PYTHON = "3.11"
PLACE = "opt/ansible/"
PACKAGES = PLACE + "lib/python%s/site-packages/" % PYTHON
COLLECTION = "usr/share/ansible/collections/ansible_collections/mailops/rescue/"
SCRIPTS = ("molecule/queue-watch/files/watching.py", "molecule/schedule/files/nightly.py")
PARTS = ("galaxy.yml", "meta", "playbooks", "plugins", "roles")
PROGRAM = "#!/%sbin/python3\nimport sys\n\nfrom %%s import %%s\n\nsys.exit(%%s())\n" % PLACE


def wanted(checkout):
    with open(os.path.join(checkout, "pyproject.toml"), "rb") as file:
        project = tomllib.load(file)
    every = project["project"]["dependencies"] + project["dependency-groups"]["dev"]
    return sorted(one.replace(" ", "") for one in every if re.match("ansible-(core|runner) ", one))


def wheels(checkout):
    """The directory of wheels, complete or not there."""
    words = wanted(checkout)
    assert len(words) == 2, words
    cache = os.path.join(checkout, ".cache")
    place = os.path.join(cache, "wheels-" + re.sub("[^a-z0-9.]+", "-", " ".join([PYTHON, *words])))
    if not os.path.exists(place):
        os.makedirs(cache, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as work:
            subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "pip",
                    "download",
                    "--quiet",
                    "--disable-pip-version-check",
                    "--only-binary=:all:",
                    "--python-version",
                    PYTHON,
                    "--dest",
                    work + "/wheels",
                    *words,
                ],
                check=True,
            )
            os.rename(work + "/wheels", place)
    return place


def add(tar, name, content, mode=0o644):
    member = tarfile.TarInfo(name)
    member.mode, member.size, member.mtime = mode, len(content), 1700000000
    tar.addfile(member, io.BytesIO(content))


def add_wheel(tar, path):
    with zipfile.ZipFile(path) as wheel:
        for name in wheel.namelist():
            if not name.endswith("/"):
                add(tar, PACKAGES + name, wheel.read(name))
            if name.endswith(".dist-info/entry_points.txt"):
                add_programs(tar, wheel.read(name).decode())


def add_programs(tar, points):
    read = configparser.ConfigParser()
    read.read_string(points)
    for program, where in read.items("console_scripts") if read.has_section("console_scripts") else ():
        module, function = where.split(":")
        add(tar, PLACE + "bin/" + program, (PROGRAM % (module, function, function)).encode(), 0o755)


def add_collection(tar, checkout):
    for part in PARTS:
        top = os.path.join(checkout, part)
        paths = [os.path.join(folder, name) for folder, _directories, names in os.walk(top) for name in names] or [top]
        for path in paths:
            if "__pycache__" not in path:
                with open(path, "rb") as file:
                    add(tar, COLLECTION + os.path.relpath(path, checkout), file.read(), os.stat(path).st_mode & 0o755)


def main():
    checkout, target = sys.argv[1:]
    checkout = os.path.realpath(checkout)
    place = wheels(checkout)
    with tarfile.open(target, "w") as tar:
        for name in sorted(os.listdir(place)):
            add_wheel(tar, os.path.join(place, name))
        add_collection(tar, checkout)
        for name in SCRIPTS:
            tar.add(os.path.join(checkout, name), "opt/mailops/" + os.path.basename(name))


if __name__ == "__main__":
    main()
