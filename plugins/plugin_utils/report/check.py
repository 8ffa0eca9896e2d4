# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plugin for Nagios and Icinga that answers with the last report; needs Python only, and neither Ansible nor a host.

    python3 check.py [--max-age HOURS] [DIRECTORY]

An old report is unknown: a run that does not take place any more has found nothing wrong.
"""

import argparse
import json
import os
import sys
from datetime import datetime, timezone

UNKNOWN = 3


def check(directory, max_age, now=None):
    """Return the text and the exit status."""
    try:
        with open(os.path.join(directory, "report.json"), encoding="utf-8") as file:
            document = json.load(file)
        status = document["summary"]["exit_code"]
        finished = datetime.strptime(document["run"]["finished"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
        with open(os.path.join(directory, "nagios.txt"), encoding="utf-8") as file:
            text = file.read()
    except (OSError, ValueError, KeyError, TypeError) as error:
        return "MAILOPS UNKNOWN - no report can be read: %s\n" % " ".join(str(error).replace("|", "/").split()), UNKNOWN
    if status not in (0, 1, 2, 3):
        return "MAILOPS UNKNOWN - the report has no exit status\n", UNKNOWN
    age = ((now or datetime.now(timezone.utc)) - finished).total_seconds() / 3600
    # What was critical may well be so still.
    if age > max_age and status != 2:
        return "MAILOPS UNKNOWN - the last report is %.0f hours old\n%s" % (age, text.replace("|", ";")), UNKNOWN
    return text, status


def main():
    parser = argparse.ArgumentParser(description="Answer as a monitoring plugin with the last report.")
    parser.add_argument("directory", nargs="?", default="mailops-report", help="directory of the report")
    parser.add_argument("--max-age", type=float, default=26, metavar="HOURS",
                        help="hours after which a report is too old (default %(default)s)")  # fmt: skip
    given = parser.parse_args()
    text, status = check(given.directory, given.max_age)
    sys.stdout.write(text)
    return status


if __name__ == "__main__":
    sys.exit(main())
