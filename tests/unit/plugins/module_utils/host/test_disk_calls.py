"""Nothing but host/disk.py changes a disk: tests end the process, or let the disk fail, at each of its calls."""

import ast
from pathlib import Path

import pytest

ENGINE = Path(__file__).resolve().parents[5] / "plugins" / "module_utils"
CHANGING = {
    "chflags",
    "chmod",
    "chown",
    "copy_file_range",
    "fallocate",
    "fchmod",
    "fchown",
    "fdatasync",
    "fsync",
    "ftruncate",
    "lchmod",
    "lchown",
    "link",
    "makedirs",
    "mkdir",
    "mkfifo",
    "mknod",
    "posix_fallocate",
    "pwrite",
    "pwritev",
    "remove",
    "removedirs",
    "removexattr",
    "rename",
    "renames",
    "replace",
    "rmdir",
    "sendfile",
    "setxattr",
    "splice",
    "symlink",
    "sync",
    "truncate",
    "unlink",
    "utime",
    "write",
    "writev",
}
WRITING = {"O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND", "O_TMPFILE"}
HARMLESS = {"shutil.which"}
# Of these modules, anything that is not harmless by name changes a disk, or may.
TREES = {"shutil", "tempfile", "pathlib"}

# What is changed here is no queue and no quarantine, or it is changed by host/disk.py only.
ALLOWED = {
    # The descriptor is handed to disk.append, which writes.
    ("quarantine/batch.py", "os.open", "O_WRONLY"),
    ("quarantine/batch.py", "os.open", "O_APPEND"),
    # The same with disk.overwrite.
    ("qmail/queue/online.py", "os.open", "O_RDWR"),
    # A letter into the FIFO by which supervise, runsv and s6-supervise are told.
    ("qmail/service/supervisors.py", "os.open", "O_WRONLY"),
    ("qmail/service/supervisors.py", "os.write", ""),
}


def found_in(source):
    """Return the set of (call, what is wrong about it) in a module's source."""
    tree = ast.parse(source)
    modules, names = {}, {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules.update({one.asname or one.name: one.name for one in node.names})
        elif isinstance(node, ast.ImportFrom) and node.module in TREES | {"os", "io", "posix"}:
            names.update({one.asname or one.name: "%s.%s" % (node.module, one.name) for one in node.names})
    found = set()
    # Not only calls: a function may be handed to another one that calls it.
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            found |= _judge("%s.%s" % (modules[node.value.id], node.attr))
        elif isinstance(node, ast.Name) and node.id in names:
            found |= _judge(names[node.id])
        if isinstance(node, ast.Call):
            found |= _opening(node)
        if isinstance(node, ast.Attribute) and node.attr in ("write_bytes", "write_text", "touch"):
            found.add(("." + node.attr, ""))
    for flags in _flags(tree):
        found.add(("os.open", flags))
    return found


def _judge(name):
    module, _, function = name.partition(".")
    if module in ("os", "posix") and function in CHANGING:
        return {(name, "")}
    if module in TREES and name not in HARMLESS:
        return {(name, "")}
    return set()


def _opening(call):
    """Judge open() and os.fdopen() by their mode."""
    name = ast.unparse(call.func)
    if name not in ("open", "io.open", "os.fdopen"):
        return set()
    modes = [one.value for one in call.keywords if one.arg == "mode"] + call.args[1:2]
    if not modes:
        return set()
    if not isinstance(modes[0], ast.Constant):
        return {(name, "a mode that cannot be read here")}
    writing = set(modes[0].value) & set("wax+")
    # A descriptor has been opened already, and that is judged.
    return {(name, modes[0].value)} if writing and name != "os.fdopen" else set()


def _flags(tree):
    return {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in WRITING}


def sources():
    return sorted(path for path in ENGINE.rglob("*.py") if path.relative_to(ENGINE).as_posix() != "host/disk.py")


def test_only_one_file_changes_a_disk():
    found = {
        (path.relative_to(ENGINE).as_posix(), *one) for path in sources() for one in found_in(path.read_text("utf-8"))
    }
    assert len(sources()) > 40
    assert found - ALLOWED == set()
    assert ALLOWED - found == set(), "no longer needed"


def test_modules_change_no_disk():
    for path in sorted((ENGINE.parent / "modules").glob("*.py")):
        assert found_in(path.read_text("utf-8")) == set(), path.name


def test_every_change_in_it_goes_through_one_function():
    tree = ast.parse((ENGINE / "host" / "disk.py").read_text("utf-8"))
    inside = {"_perform"}
    # What a listing is written into, and scratch files: no queue, no quarantine and no configuration.
    inside |= {"NewFile", "scratch_directory", "scratch_file"}
    direct = set()
    for node in tree.body:
        if getattr(node, "name", None) in inside:
            continue
        for call in ast.walk(node):
            if isinstance(call, ast.Call):
                name = ast.unparse(call.func)
                if _judge(name) and not name.startswith("disk."):
                    direct.add((node.name, name))
    assert direct == set()


@pytest.mark.parametrize(
    "source",
    [
        "import os\nos.unlink('x')",
        "import os as o\no.rename('x', 'y')",
        "from os import unlink as u\nu('x')",
        "import os\nmap(os.rmdir, [])",
        "import os\nos.open('x', os.O_RDWR)",
        "open('x', 'w')",
        "open('x', mode='ab')",
        "open('x', mode)",
        "import shutil\nshutil.rmtree('x')",
        "from pathlib import Path\nPath('x')",
        "x.write_bytes(b'')",
        "import tempfile\ntempfile.mkstemp()",
    ],
)
def test_what_would_be_found(source):
    assert found_in(source)


@pytest.mark.parametrize(
    "source",
    [
        "open('x', 'rb')",
        "open('x')",
        "import os\nos.open('x', os.O_RDONLY)\n'a'.replace('a', 'b')",
        "import os\nos.fdopen(3, 'wb')",
        "import shutil\nshutil.which('x')",
        "import os\nos.path.join('a')",
    ],
)
def test_what_is_harmless(source):
    assert found_in(source) == set()
