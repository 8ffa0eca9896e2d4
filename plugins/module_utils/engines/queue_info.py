# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What queue_info does: options in, one pass over the queue, a result of bounded size out."""

__all__ = ["inspect"]

import os
import time

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.host.disk import NewFile, scratch_file
from ansible_collections.mailops.rescue.plugins.module_utils.mail.message import ENVELOPE, HEADER, REASON, STAT, SUBJECT
from ansible_collections.mailops.rescue.plugins.module_utils.mta import detect
from ansible_collections.mailops.rescue.plugins.module_utils.scan.collector import Collector, Tally
from ansible_collections.mailops.rescue.plugins.module_utils.scan.results import (
    RESULT,
    check_bounds,
    check_timeout,
    counted,
    fitting,
    noted,
    size,
    top_lists,
)
from ansible_collections.mailops.rescue.plugins.module_utils.scan.scan import process_count, scan
from ansible_collections.mailops.rescue.plugins.module_utils.scan.selection import Selection
from ansible_collections.mailops.rescue.plugins.module_utils.scan.summary import Summary

_BOUNDS = {
    "limit": (0, 1000, "messages"),
    "content_bytes": (1, 16384, "bytes"),
    "top": (0, 100, "entries"),
    "workers": (0, 64, "processes"),
}


def inspect(params, check_mode=False):
    """Return queue_info's result for its ``params`` (a dict of all its options). Raises RescueError."""
    check_bounds(params, _BOUNDS)
    check_timeout(params["timeout_per_message"])
    selection = Selection(params["select"], params["exclude"])
    target = detect.find(params["mta"], params["queue_directory"], params["config_directory"])
    selection.check_queues(target.reader.queues)
    listing = params["listing"]
    if listing:
        _check_listing(listing, target.reader.directories)
    if not listing or check_mode:
        return _inspect(params, selection, target, None)
    with NewFile(listing, "listing") as file:
        result = _inspect(params, selection, target, file)
        file.commit()
    result["listing"] = listing
    return result


def _check_listing(listing, directories):
    real = os.path.realpath(listing)
    for directory in directories:
        if real.startswith(os.path.realpath(directory) + os.sep):
            raise RescueError("listing: %s is inside the queue %s; name a file elsewhere." % (listing, directory))
    if not os.path.isdir(os.path.dirname(real)):
        raise RescueError("listing: there is no directory %s." % os.path.dirname(real))


def _inspect(params, selection, target, file):
    started = time.time()
    reader = target.reader
    needs = STAT
    if params["top"] or params["limit"] or file:
        needs |= ENVELOPE | SUBJECT | REASON
    if file:
        needs |= HEADER
    count = process_count(params["workers"])
    scratch = [scratch_file(os.path.dirname(os.path.abspath(file.path))) for unused in range(count)] if file else []

    def tally(number):
        out = None
        if file:
            out = scratch[number - 1] if number else file.file
        return Tally(
            Summary(started, reader.queues, len(reader.directories), bool(params["top"])),
            Collector(started, reader.directories, params["limit"], params["content"], params["content_bytes"], out),
        )

    whole = scan(reader, selection, needs, tally, params["timeout_per_message"], count)
    for part in scratch:
        file.append(part)
    return _result(params, target, whole, selection.needs & SUBJECT, time.time() - started)


def _result(params, target, whole, knows_bounces, seconds):
    summary, reader = whole.summary, target.reader
    result = {
        "changed": False,
        "mta": target.mta,
        "version": target.version,
        "queue_directory": reader.directories[0],
        "queues": [
            {"queue_directory": directory, "instance": instance, "total": total}
            for directory, instance, total in zip(reader.directories, target.instances, summary.by_directory)
        ],
        "bounces": summary.bounces if params["top"] or knows_bounces else None,
        "vanished": summary.vanished,
        "listing": None,
        "seconds": round(seconds, 3),
    }
    result.update(counted(summary))
    result.update(noted(summary, reader.directories))
    result.update(top_lists(summary, params["top"]))
    result["messages"] = fitting(whole.collector.messages(), RESULT - size(result))
    result["truncated"] = len(result["messages"]) < summary.matched
    return result
