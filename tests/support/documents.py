"""What a module says of itself in its file."""

import ast
from pathlib import Path

import yaml

__all__ = ["documents"]

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"


def documents(module):
    """Return {DOCUMENTATION, EXAMPLES, RETURN} of the module of this name, with the options of its doc fragments."""
    found = _strings(PLUGINS / "modules" / (module + ".py"))
    options = {}
    for fragment in found["DOCUMENTATION"].get("extends_documentation_fragment", ()):
        file, _dot, part = fragment[len("mailops.rescue.") :].partition(".")
        strings = _strings(PLUGINS / "doc_fragments" / (file + ".py"))
        options.update(strings[(part or "documentation").upper()].get("options", {}))
    for name, option in found["DOCUMENTATION"].get("options", {}).items():
        options[name] = dict(options.get(name, {}), **option)
    found["DOCUMENTATION"]["options"] = options
    return found


def _strings(path):
    """Return {name: what its YAML says} of the constants of a module, or of the class of a fragment."""
    return {
        node.targets[0].id: yaml.safe_load(node.value.value)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Assign)
        and getattr(node.targets[0], "id", "").isupper()
        and isinstance(getattr(node.value, "value", None), str)
    }
