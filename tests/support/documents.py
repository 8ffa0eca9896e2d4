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
        options.update(_fragment(PLUGINS / "doc_fragments" / (fragment.rpartition(".")[2] + ".py"))["options"])
    options.update(found["DOCUMENTATION"].get("options", {}))
    found["DOCUMENTATION"]["options"] = options
    return found


def _strings(path):
    return {
        node.targets[0].id: yaml.safe_load(node.value.value)
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Assign) and node.targets[0].id.isupper()
    }


def _fragment(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Assign) and node.targets[0].id == "DOCUMENTATION":
            return yaml.safe_load(node.value.value)
    raise ValueError("%s documents nothing" % path)
