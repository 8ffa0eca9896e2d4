# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""qmail_catchall's engine: have mail to addresses that nobody has discarded, and undo that."""

__all__ = ["manage"]

import errno
import os
import time
from collections import namedtuple
from contextlib import contextmanager

from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged, RescueError, disk_failed
from ansible_collections.mailops.rescue.plugins.module_utils.host.backup import Kept
from ansible_collections.mailops.rescue.plugins.module_utils.host.regular_files import opened_directory
from ansible_collections.mailops.rescue.plugins.module_utils.host.run_lock import lock_within
from ansible_collections.mailops.rescue.plugins.module_utils.mail.text import decode, shorten, visible
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.config import dot_qmail
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.hardening.catchalls import Qmail, discarding
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.hardening.extension_changes import ExtensionChanges
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.hardening.extensions import Extensions
from ansible_collections.mailops.rescue.plugins.module_utils.scan.results import fitting

_SHOWN = 120 * 1024
_SHOWN_DIFF = 48 * 1024
_LONGEST_TEXT = 2048
_MOST_NAMES = 20
_LOCK_TIMEOUT = 30
_MODE = 0o644

_DISCARDING = (dot_qmail.DISCARDS.does, "vdelivermail delete")
_MEANING = (
    "Mail to a mistyped address vanishes, and its sender is not told.",
    "A catch-all makes every address exist, so that a qmail-smtpd with realrcptto or the like refuses no unknown "
    "recipient of its domains any more.",
)

# What a user or a file server can bring about in one home, which must not keep all others from being changed.
_OF_ONE_HOME = (
    errno.EACCES,
    errno.EPERM,
    errno.EDQUOT,
    errno.EEXIST,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EROFS,
    errno.ESTALE,
)

# What is to be done to one file. ``action``: put, take_back, hold, resume, tidy or None; put has ``data``, ``mode``,
# ``owner`` and ``keep``. ``wanted``: what it does afterwards; ``reason``: why nothing is done, where one may ask.
_Plan = namedtuple("_Plan", "action wanted reason data mode owner keep")


def _plan(action, wanted, reason=None, data=None, mode=None, owner=None, keep=False):
    return _Plan(action, wanted, reason, data, mode, owner, keep)


def manage(params, check_mode, with_diff=False):
    """Do what qmail_catchall's options say; return its result. Raises RescueError."""
    begin = time.monotonic()
    qmail = Qmail(params["home"])
    scope = params.get("scope", "domains")
    extensions = None
    with _alone(qmail.home, check_mode):
        catchalls, unserved = qmail.catchalls(params["domains"], params["exclude"])
        notes = list(qmail.notes)
        if params["state"] in ("present", "suspended"):
            qmail.refuse_unserved(unserved)
        else:
            # What was a domain once must not keep all the others from being undone.
            notes += ["%s is not a domain that this qmail delivers for." % name for name in unserved]
        plans = []
        if scope != "users":
            plans = [(one, _PLANS[params["state"]](one, params["existing"])) for one in catchalls]
        if scope != "domains":
            extensions = _change_extensions(qmail, params, check_mode)
        if not check_mode:
            plans = _apply_all(plans)
    if params["state"] == "present":
        notes += _said_of_all(plans, qmail.users)
    if extensions is not None:
        notes += extensions.notes
    notes += [
        "%s: left as it is (%s): %s." % (one.chosen[0].name, one.path or "no file", plan.reason)
        for one, plan in plans
        if plan.reason is not None
    ]
    notes += [note for one, unused in plans for note in one.notes]
    result = {
        "changed": any(plan.action for unused, plan in plans) or bool(extensions and extensions.changed_count),
        "home": qmail.home,
        "catchall_count": len(plans),
        "changed_count": sum(plan.action is not None for unused, plan in plans),
        "left_count": sum(plan.reason is not None for unused, plan in plans),
        "notes": fitting([visible(note) for note in dict.fromkeys(notes)], _SHOWN // 4),
        "seconds": round(time.monotonic() - begin, 3),
    }
    entries = [_entry(one, plan) for one, plan in plans]
    entries.sort(key=lambda entry: (not entry["changed"], not entry["reason"]))
    result["catchalls"] = fitting(entries, _SHOWN)
    result["extensions"] = None if extensions is None else extensions.result()
    if with_diff:
        found = [_difference(one, plan) for one, plan in plans + (extensions.first if extensions else [])]
        result["diff"] = fitting([one for one in found if one is not None], _SHOWN_DIFF)
    return result


def _change_extensions(qmail, params, check_mode):
    """Do it for extensions of users' addresses, one after the other: there may be very many."""
    found = Extensions(qmail, params["domains"], params["exclude"], params["scope"] == "all")
    changes = ExtensionChanges(found, params["state"], check_mode)
    for one in found:
        one.look()
        plan = (_extended if params["state"] == "present" else _PLANS[params["state"]])(one, "spare")
        try:
            changes.add(one, plan if check_mode else _apply(one, plan))
        except OSError as error:
            if error.errno in _OF_ONE_HOME:
                reason = "%s; run it again to finish" % disk_failed(error)
                changes.add(one, plan._replace(action=None, wanted=one.does, reason=reason))
                continue
            failure = RescueError("%s: %s; run it again to finish." % (one.path, disk_failed(error)))
            failure.result = {"changed": bool(changes.changed_count), "extensions": changes.result()}
            raise failure from None
    return changes


def _extended(one, existing):
    """Return the _Plan by which an Extension discards where its user has nothing for it."""
    does = one.does
    if one.problem is not None:
        return _plan(None, does, one.problem)
    tidy = None if one.kept.is_tidy else "tidy"
    if one.is_ours or does not in dot_qmail.BACKSCATTERS:
        return _plan(tidy, does)
    if one.reason:
        return _plan(tidy, does, one.reason)
    if one.also_serves:
        return _plan(tidy, does, "it would be the catch-all of %s, too" % shorten(", ".join(one.also_serves), 200))
    return _putting(one, discarding(None if one.kept.before is None else one.name))


@contextmanager
def _alone(home, check_mode):
    """Keep a second run from working on the same files, which are found half changed otherwise."""
    if check_mode:
        yield
        return
    # Others may not open the queue, and so cannot hold us up by it.
    queue = os.path.join(home, "queue")
    with opened_directory(queue if os.path.isdir(queue) else home) as fd:
        lock_within(fd, _LOCK_TIMEOUT, "Another run is changing the catch-alls of %s." % home)
        yield


def _present(one, existing):
    """Return the _Plan by which a Catchall discards."""
    does = one.effect.does
    if one.problem is not None:
        return _plan(None, does, one.problem)
    kept, tidy = one.kept, None if one.kept.is_tidy else "tidy"
    if one.is_ours:
        return _plan(tidy, does)
    if one.force == one.name:
        return _replacing(one, existing, tidy)
    if one.kind == "vpopmail":
        return _plan(tidy, does, "vpopmail delivers by this file, and it is missing: its mailboxes get no mail either")
    if not one.force_is_ours and one.effect == dot_qmail.DISCARDS:
        return _plan(tidy, does)
    if one.effect.useful and existing == "spare":
        return _plan(tidy, does, _spared(does if one.force is None else "%s, by %s" % (does, one.force)))
    return _putting(one, discarding(None if kept.before is None else one.name))


def _replacing(one, existing, tidy):
    """Return the _Plan where there is a catch-all of somebody else."""
    kept, does = one.kept, one.effect.does
    if one.effect == dot_qmail.DISCARDS or does == "vdelivermail delete":
        return _plan(tidy, does)
    if one.effect.useful and existing == "spare":
        return _plan(tidy, does, _spared(does))
    # As where vpopmail's or Plesk's own tools wrote it anew.
    is_kept = _is_as_before(kept)
    if kept.before is not None and not kept.is_half_kept and not is_kept:
        return _plan(
            tidy, does, "somebody changed it since; what was there first is kept as %s: move that away" % kept.kept_name
        )
    if dot_qmail.runs_vdelivermail(kept.now.data):
        data = dot_qmail.deleting(kept.now.data)
        if data is None:
            return _plan(tidy, does, "vdelivermail is called in a way that has to be changed by hand")
        status = kept.now.status
        return _plan(
            "put",
            "vdelivermail delete",
            None,
            data,
            status.st_mode & 0o7777,
            (status.st_uid, status.st_gid),
            not is_kept,
        )
    return _putting(one, discarding(one.name), keep=not is_kept)


def _is_as_before(kept):
    """Tell whether somebody else put there what is kept, once more."""
    if kept.now is None or kept.before is None or kept.is_half_kept:
        return False
    return kept.now.data == kept.before.data


def _spared(does):
    return "left, as existing=spare says: %s" % does


def _putting(one, data, keep=False):
    return _plan("put", dot_qmail.DISCARDS.does, None, data, _MODE, one.home_owner, keep)


def _absent(one, existing):
    """Return the _Plan by which what was there before is there again."""
    does = one.effect.does
    if one.problem is not None:
        return _plan(None, does, one.problem)
    kept, tidy = one.kept, None if one.kept.is_tidy else "tidy"
    if one.is_ours:
        if kept.before is None and kept.now.data == discarding(one.name):
            return _plan(tidy, does, "what was there before is gone: %s is missing" % kept.kept_name)
        return _plan("take_back", _before(one))
    if _is_as_before(kept):
        return _plan("take_back", does)
    if kept.before is not None and not kept.is_half_kept:
        what = "somebody removed it" if kept.now is None else "somebody changed it since"
        return _plan(tidy, does, "%s; what was there first is kept as %s" % (what, kept.kept_name))
    return _plan(tidy, does)


def _before(one):
    before = one.kept.before
    return (one.fallback_effect if before is None else one.effect_of(before)).does


def _suspended(one, existing):
    """Return the _Plan by which ours is away for a while."""
    plan = _absent(one, existing)
    if plan.action == "take_back" and one.is_ours:
        return plan._replace(action="hold")
    return plan._replace(action=None)


def _resumed(one, existing):
    """Return the _Plan by which it is there again."""
    does = one.effect.does
    if one.problem is not None:
        return _plan(None, does, one.problem)
    kept = one.kept
    if kept.held is None:
        return _plan(None, does)
    if one.is_ours:
        return _plan("tidy", does)
    if _fits(kept.held.data, kept):
        return _plan("resume", dot_qmail.effect_of(kept.held.data).does)
    return _plan("tidy", does, "somebody changed it meanwhile")


def _fits(data, kept):
    """Tell whether what is held was put in the place of what is there now."""
    if kept.before is not None and not kept.is_half_kept:
        return False
    if kept.now is None:
        return data == discarding(None)
    return data in (discarding(kept.name), dot_qmail.deleting(kept.now.data))


_PLANS = {"present": _present, "absent": _absent, "suspended": _suspended, "resumed": _resumed}


def _apply_all(plans):
    done = []
    for one, plan in plans:
        try:
            done.append((one, _apply(one, plan)))
        except OSError as error:
            failure = RescueError("%s: %s; run it again to finish." % (one.path, disk_failed(error)))
            entries = [_entry(*pair) for pair in done if pair[1].action]
            failure.result = {
                "changed": bool(entries),
                "catchalls": fitting(entries, _SHOWN),
                "catchall_count": len(plans),
                "changed_count": len(entries),
            }
            raise failure from None
    return done


def _apply(one, plan):
    """Do it; return the _Plan as it came to be."""
    if plan.action is None:
        return plan
    try:
        fd = one.open_to_change()
        try:
            kept = Kept(fd, one.name, dot_qmail.LARGEST)
            if _identity(kept) != _identity(one.kept):
                raise Damaged("somebody else is changing it")
            if plan.action == "put":
                kept.put(plan.data, plan.mode, plan.owner, plan.keep)
            else:
                getattr(kept, plan.action)()
            if plan.action not in ("hold", "tidy"):
                after = Kept(fd, one.name, dot_qmail.LARGEST)
                if not after.is_tidy:
                    after.tidy()
        finally:
            os.close(fd)
    except Damaged as error:
        return plan._replace(action=None, wanted=one.effect.does, reason=str(error))
    return plan


def _identity(kept):
    return [None if one is None else (one.data, one.status.st_ino) for one in (kept.now, kept.before, kept.held)]


def _entry(one, plan):
    names = [domain.name for domain in one.domains]
    return {
        "domain": visible(one.chosen[0].name),
        "domains": [visible(name) for name in names[:_MOST_NAMES]],
        "domain_count": len(names),
        "kind": one.kind,
        "user": visible(one.controller.user) if one.controller else None,
        "path": visible(one.path) if one.path else None,
        "exists": one.kept is not None and one.kept.now is not None,
        "ours": one.is_ours,
        "in_force": _path(one, one.force),
        "in_force_after": _path(one, _force_after(one, plan.action)),
        "does": one.does,
        "wanted": dot_qmail.DEFERS if one.puts_off else plan.wanted,
        "changed": plan.action is not None,
        "kept": one.kept.kept_name if _is_kept(one.kept, plan) else None,
        "reason": visible(plan.reason) if plan.reason else None,
    }


def _path(one, name):
    return visible(os.path.join(one.controller.home, name)) if name else None


def _force_after(one, action):
    if action in ("put", "resume"):
        return one.name
    if action in ("take_back", "hold"):
        return one.fallback if one.kept.before is None else one.name
    return one.force


def _is_kept(kept, plan):
    """Tell whether what was there before is kept beside it afterwards."""
    if kept is None or plan.action in ("take_back", "hold"):
        return False
    if plan.action == "resume":
        return kept.now is not None
    return plan.keep or (kept.before is not None and not kept.is_half_kept)


def _said_of_all(plans, users):
    """Yield what new catch-alls mean."""
    if any(plan.wanted in _DISCARDING for unused, plan in plans):
        yield from _MEANING
    for one, plan in plans:
        if plan.action == "put" or one.is_ours:
            yield from _said_of(one, users)


def _said_of(one, users):
    """Yield what else a new catch-all means."""
    for name in one.lacks_postmaster(users):
        yield "postmaster@%s is nobody, so mail to it is discarded, too." % name
    if len(one.chosen) < len(one.domains):
        others = [domain.name for domain in one.domains if domain not in one.chosen]
        yield "%s is the catch-all of %s, too." % (one.path, shorten(", ".join(others), 200))


def _difference(one, plan):
    """Return what changes, as Ansible's --diff shows it, or None."""
    now = one.kept.now if one.kept is not None else None
    if plan.action == "put":
        after = plan.data
    elif plan.action == "tidy" and one.kept.held is not None and not one.is_ours:
        # Nobody was shown when it was taken away for a while, which is for good now.
        after, now = b"" if now is None else now.data, one.kept.held
    elif plan.action in ("take_back", "hold"):
        after = b"" if one.kept.before is None else one.kept.before.data
    elif plan.action == "resume":
        after = one.kept.held.data
    else:
        return None
    return {
        "before_header": visible(one.path),
        "after_header": visible(one.path),
        "before": "" if now is None else _shown(now.data),
        "after": _shown(after),
    }


def _shown(data):
    return shorten(visible(decode(data), lines=True), _LONGEST_TEXT)
