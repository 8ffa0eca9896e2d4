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
        _mailops, _rescue, name, *section = fragment.split(".")
        options.update(_fragment(name, *section).get("options", {}))
    for name, option in found["DOCUMENTATION"].get("options", {}).items():
        options[name] = dict(options.get(name, {}), **option)
    found["DOCUMENTATION"]["options"] = options
    return found


def _strings(path):
    return {
        node.targets[0].id: yaml.safe_load(node.value.value)
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Assign) and node.targets[0].id.isupper()
    }


def _fragment(name, section="documentation"):
    for node in ast.walk(ast.parse((PLUGINS / "doc_fragments" / (name + ".py")).read_text())):
        if isinstance(node, ast.Assign) and node.targets[0].id == section.upper():
            return yaml.safe_load(node.value.value)
    raise ValueError("%s documents no %s" % (name, section))
