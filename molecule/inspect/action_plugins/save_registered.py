"""Saves registered variables as JSON in a file on the host.

A filter in a template would do, were each text of a registered result not taken for a template on its way,
which the tests forbid (_ANSIBLE_TEMPLAR_UNTRUSTED_TEMPLATE_BEHAVIOR=error).
"""

import json

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    _requires_connection = True

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        variables = task_vars["hostvars"].raw_get(task_vars["inventory_hostname"])
        data = {name: variables[name] for name in self._task.args["names"]}
        self._transfer_data(self._task.args["dest"], json.dumps(data))
        return dict(result, changed=False)
