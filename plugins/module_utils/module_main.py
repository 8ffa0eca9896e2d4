# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that several modules share, and how a module ends."""

__all__ = ["QMAIL_SERVICE", "QUEUE", "SELECTION", "run_module"]

import traceback

from ansible_collections.mailops.rescue.plugins.module_utils.engines.unexpected import describe
from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError

QUEUE = {
    "mta": {"type": "str", "choices": ["auto", "qmail", "postfix"], "default": "auto"},
    "queue_directory": {"type": "path"},
    "config_directory": {"type": "path"},
}
SELECTION = {
    "select": {"type": "dict"},
    "exclude": {"type": "dict"},
    "timeout_per_message": {"type": "float", "default": 1.0},
}
QMAIL_SERVICE = {
    "supervisor": {
        "type": "str",
        "choices": ["auto", "daemontools", "runit", "s6", "systemd", "sysv", "none"],
        "default": "auto",
    },
    "service": {"type": "str"},
    "stop_timeout": {"type": "int", "default": 60},
    "on_timeout": {"type": "str", "choices": ["fail", "wait", "kill"], "default": "fail"},
    "start_timeout": {"type": "int", "default": 30},
}
_LONGEST_INVOCATION = 16384


def run_module(module, work):
    """Exit ``module`` (an AnsibleModule) with the result of ``work(params)``, or with its RescueError."""
    try:
        result = work(module.params)
    except RescueError as error:
        _warn(module, error.result)
        module.fail_json(msg=str(error), **error.result)
    except OSError as error:
        module.fail_json(msg="%s: %s." % (error.filename or "The host", error.strerror or error))
    except Exception as error:
        module.fail_json(msg=describe(error), exception=traceback.format_exc())
    _warn(module, result)
    if len(module.jsonify(module.params)) > _LONGEST_INVOCATION:
        # Thousands of ids come back with every result otherwise.
        result["invocation"] = {"module_args": "left out: longer than %d bytes" % _LONGEST_INVOCATION}
    module.exit_json(**result)


def _warn(module, result):
    for sentence in result.pop("warnings", ()):
        module.warn(sentence)
