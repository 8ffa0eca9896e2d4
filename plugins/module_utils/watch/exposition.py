# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The numbers as a Prometheus textfile."""

__all__ = ["exposition"]

_HELP = (
    ("mailops_queue_messages", "Messages in the queue."),
    ("mailops_queue_threshold_messages", "Number of messages above which an alert is given."),
    ("mailops_queue_oldest_seconds", "Age of the oldest message."),
    ("mailops_queue_growth_per_minute", "Messages by which the queue grows in a minute."),
    ("mailops_queue_bounce_percent", "Share of failure notices."),
    ("mailops_queue_alert", "Whether an alert is on."),
    ("mailops_queue_readable", "Whether the queue could be read."),
)


def exposition(rows, now, failed):
    """Return the text. ``rows``: pairs of labels (dict) and values by the names above, None where one is unknown.

    ``failed``: by channel, whether the last notice did not get out.
    """
    lines = []
    for name, text in _HELP:
        values = [(labels, found[name]) for labels, found in rows if found.get(name) is not None]
        lines += _family(name, text, values)
    lines += _family(
        "mailops_queue_watch_channel_failed",
        "Whether the last notice did not get out by this channel.",
        [({"channel": channel}, int(value)) for channel, value in sorted(failed.items())],
    )
    lines += _family(
        "mailops_queue_watch_last_run_timestamp_seconds", "When the queues were last looked at.", [({}, now)]
    )
    return "".join(lines)


def _family(name, text, values):
    if not values:
        return []
    lines = ["# HELP %s %s\n# TYPE %s gauge\n" % (name, text, name)]
    for labels, value in values:
        shown = ",".join('%s="%s"' % (label, _escape(labels[label])) for label in sorted(labels))
        lines.append("%s%s %s\n" % (name, "{%s}" % shown if shown else "", _number(value)))
    return lines


def _number(value):
    return "%d" % value if value == int(value) else "%.3f" % value


def _escape(text):
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
