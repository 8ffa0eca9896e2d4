"""Imports point one way, as docs/internals.md draws them: this reads all of them."""

import ast
import functools
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PREFIX = "ansible_collections.mailops.rescue."
UTILS = "plugins.module_utils."
# From the lowest up. Rooms of one level may import each other only where the two are named in BESIDE.
LEVELS = (
    {"errors"},
    {"host"},
    {"mail"},
    {"mta.adapter", "mta.faults", "mta.table"},
    {"mta.contract"},
    {"quarantine", "scan"},
    {"firewall", "postfix", "qmail", "smtp"},
    {"mta.registry"},
    {"mta.detect"},
    {"watch"},
    {"engines"},
    {"module_main"},
)
BESIDE = {("quarantine", "scan")}
ADAPTERS = {"postfix", "qmail"}
# Who may know which MTA it is; and the engines of one MTA's own modules are reached by these modules.
KNOWING = {"mta.registry"}


def modules(root=ROOT):
    """Return {dotted name below the collection: path} of all its own Python."""
    found = {}
    for path in sorted((root / "plugins").rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(source, names):
    """Return the modules among `names` that a source imports."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PREFIX):
            module = node.module[len(PREFIX) :]
            below = {"%s.%s" % (module, alias.name) for alias in node.names}
            found |= below & names or {module}
    return found


def room(name):
    """Return the room of a module of the engine, and its level."""
    inside = name[len(UTILS) :]
    for level, rooms in enumerate(LEVELS):
        for candidate in rooms:
            if inside == candidate or inside.startswith(candidate + "."):
                return candidate, level
    raise AssertionError("%s is in no room" % name)


def judge(importer, imported):
    """Return why an import is not as it should be, or None."""
    if imported.startswith(UTILS) != importer.startswith(UTILS):
        if importer.startswith(UTILS):
            return "the engine imports what runs on the controller"
        return None
    if not importer.startswith(UTILS):
        return None
    (ours, level), (theirs, their_level) = room(importer), room(imported)
    if ours == theirs:
        return None
    if theirs in ADAPTERS and ours not in KNOWING:
        return "only the registry imports an adapter"
    if their_level > level or (their_level == level and (ours, theirs) not in BESIDE):
        return "upwards"
    return None


def read_sources():
    return {name: path.read_text("utf-8") for name, path in modules().items()}


@functools.lru_cache(maxsize=None)
def graph():
    """Return {name: the modules that it imports} of all."""
    sources = read_sources()
    names = set(sources)
    return {name: imports(source, names) - {name} for name, source in sources.items()}


def breaches(graph):
    """Yield "importer -> imported" for what breaks a rule."""
    for name in sorted(graph):
        for imported in sorted(graph[name]):
            if judge(name, imported) is not None:
                yield "%s -> %s" % (name, imported)


def test_every_import_points_down():
    assert list(breaches(graph())) == []


@pytest.mark.parametrize(
    ("importer", "statement"),
    [
        ("host.disk", "from {p}mail.text import visible"),
        ("mail.text", "from {p}scan import scan"),
        ("qmail.queue.reader", "from {p}postfix.queue import layout"),
        ("scan.scan", "def late():\n    from {p}qmail.queue.reader import QmailReader"),
        ("engines.queue_info", "from {p}qmail.queue.reader import QmailReader"),
        ("scan.scan", "from {p}quarantine.ledger import examine"),
        ("engines.queue_info", "from ansible_collections.mailops.rescue.plugins.plugin_utils.show import page"),
    ],
)
def test_a_breach_is_seen(importer, statement):
    name = UTILS + importer
    added = imports(statement.format(p=PREFIX + UTILS), set(graph()))
    assert list(breaches({name: graph()[name] | added})) != []


def names_of_mtas(source):
    """Return the lines on which code (not documentation) has the name of an MTA as a string."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in ADAPTERS
    ]


def test_only_adapters_say_which_mta_it_is():
    """The argument spec lists them for users; else a new MTA would have to be thought of everywhere."""
    others = {
        name: source
        for name, source in read_sources().items()
        if name.startswith(UTILS) and name.split(".")[2] not in ADAPTERS | {"module_main"}
    }
    asking = {name: names_of_mtas(source) for name, source in others.items()}
    assert {name: lines for name, lines in asking.items() if lines} == {}
    assert names_of_mtas('if mta == "qmail":\n    pass\n') == [1]


def packed(name):
    """Return the names of what Ansible packs with a module: all that it imports, inside functions too."""
    waiting, seen = [name], set()
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += graph()[name]
    return seen


@pytest.mark.parametrize(
    ("name", "strangers"),
    [
        ("modules.queue_info", ("purge", "restore", "repair", "changes", "service", "facts", "counts", "quarantine")),
        ("modules.quarantine_info", ("purge", "restore", "repair", "changes", "service", "facts", "counts")),
        ("modules.queue_purge", ("repair", "facts", "counts")),
        ("modules.queue_restore", ("repair", "facts", "counts")),
        # The program of the watch is packed in the same way.
        (
            "module_utils.watch.run",
            ("purge", "restore", "repair", "changes", "service", "facts", "adapter", "contract"),
        ),
    ],
)
def test_a_module_packs_no_more_of_an_mta_than_it_needs(name, strangers):
    names = {name[len(UTILS) :] for name in packed("plugins." + name)}
    assert [name for name in sorted(names) if set(name.split(".")) & set(strangers)] == []
    assert {"qmail.queue.reader", "postfix.queue.reader"} <= names


def test_no_two_modules_import_each_other():
    done = set()

    def visit(name, path):
        assert name not in path, " -> ".join([*path[path.index(name) :], name])
        if name in done:
            return
        for imported in sorted(graph().get(name, ())):
            visit(imported, [*path, name])
        done.add(name)

    for name in sorted(graph()):
        visit(name, [])


def test_imports_are_such_as_ansible_packs():
    """Ansible's finder and the watch see absolute from-imports only; a package's own file would run unseen."""
    for name, path in modules().items():
        if not name.startswith(UTILS):
            continue
        if path.name == "__init__.py":
            assert path.read_text("utf-8") == "", path
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, path
            elif isinstance(node, ast.Import):
                assert not [alias for alias in node.names if alias.name.startswith("ansible_collections")], path
