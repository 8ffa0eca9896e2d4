# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that runs on a host, as one file: an archive of just those parts of the engine that it needs.

One file, since one is put in place of another in one step: no run ever sees half of a new version.
"""

__all__ = ["build"]

import ast
import hashlib
import importlib
import importlib.util
import io
import zipfile
from functools import lru_cache

_PREFIX = "ansible_collections.mailops.rescue.plugins.module_utils"
_MAIN = _PREFIX + ".watch.run"
_START = "import sys\n\nfrom %s import main\n\nsys.exit(main(sys.argv[1:]))\n" % _MAIN
# The same bytes from the same sources, wherever and whenever.
_DATE = (2020, 1, 1, 0, 0, 0)


@lru_cache(maxsize=None)
def build(interpreter):
    """Return ``(bytes, version)`` of the program for the Python at path ``interpreter``."""
    sources = {"__main__.py": _START}
    waiting = [_MAIN]
    seen = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        source, is_package = _source(name)
        path = name.replace(".", "/") + ("/__init__.py" if is_package else ".py")
        sources[path] = source
        waiting += _needed(name, source)
        # Without these, a package of the same name elsewhere on the host would be taken instead.
        parent = name.rpartition(".")[0]
        while parent:
            sources.setdefault(parent.replace(".", "/") + "/__init__.py", "")
            parent = parent.rpartition(".")[0]
    version = hashlib.sha256(repr(sorted(sources.items())).encode("utf-8")).hexdigest()[:16]
    sources["VERSION"] = version + "\n"
    buffer = io.BytesIO()
    buffer.write(b"#!%s -IB\n" % interpreter.encode())
    with zipfile.ZipFile(buffer, "a") as archive:
        for path in sorted(sources):
            archive.writestr(zipfile.ZipInfo(path, _DATE), sources[path].encode("utf-8"))
    return buffer.getvalue(), version


def _source(name):
    # They may come out of Ansible's own archive, where they are no files.
    loader = importlib.import_module(name).__spec__.loader
    return loader.get_source(name) or "", loader.is_package(name)


def _needed(name, source):
    """Return the engine's modules that a module imports."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(_PREFIX):
            below = ["%s.%s" % (node.module, one.name) for one in node.names]
            modules = [one for one in below if _is_module(one)]
            found += modules
            if len(modules) < len(below):
                found.append(node.module)
    return found


def _is_module(name):
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, AttributeError):
        return False
