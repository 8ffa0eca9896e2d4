# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  select:
    description:
      - Which messages to select; all of them by default.
      - A message must match every key that is given. If a key takes a list, one entry of the list is enough.
      - A single value may be given instead of a list.
      - Texts are compared in decoded form, as the results show them, but before control characters are escaped.
      - Every value is checked before the queue is opened, and an error names the option.
      - "V(ids): queue ids, exactly as shown; not regular expressions."
      - "V(queue): names of queues, exactly as in RV(ignore:counts.by_queue). A qmail message with recipients in both
        channels is in V(local) and in V(remote)."
      - "V(sender): regular expressions, searched for in the envelope sender; V(<>) is the null sender."
      - "V(recipient): regular expressions, searched for in each pending envelope recipient."
      - "V(subject): regular expressions, searched for in the decoded Subject."
      - "V(header): regular expressions, searched for in every unfolded, decoded header line, as in V(^X-Mailer: evil)."
      - "V(body): regular expressions, searched for in everything after the first blank line, as it is stored; a
        transfer encoding such as base64 is not decoded. V(^) and V($) match at line boundaries. A match may span up to
        8 KiB."
      - "V(ignore_case): whether all these expressions ignore case; V(true) by default."
      - "V(bounce): V(true) for bounces only, V(false) for everything else. A bounce has the null sender (or qmail's
        V(#@[])) and its content reports a failed delivery."
      - "V(sasl_username): SASL usernames of the sending client, exactly, ignoring case."
      - "V(client_address): IPv4 or IPv6 addresses or networks (CIDR) of the sending SMTP client."
      - "V(origin_uid): numeric user ids of the local process that submitted the message."
      - "V(delay_reason): regular expressions, searched for in the reason of each recipient's last deferral."
      - "V(older_than), V(newer_than): an age such as V(90s), V(15m), V(2h), V(7d), V(1w); a bare number is seconds."
      - "V(larger_than), V(smaller_than): a size such as V(10k), V(5M), V(1G) (powers of 1024); a bare number is bytes."
    type: dict
  exclude:
    description:
      - Which of the selected messages to exclude. It takes the same keys as O(select), with the same meaning.
      - A message is excluded if it matches every key that is given here.
    type: dict
  timeout_per_message:
    description:
      - Maximum seconds to match the regular expressions against one message.
      - A message that takes longer is not selected, and is listed in RV(ignore:undecided).
    type: float
    default: 1.0
"""
