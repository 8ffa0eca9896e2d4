# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways out for a notice, none of which passes the queue that it is about."""

__all__ = ["ChannelError", "Reason", "names", "send", "send_all", "targets"]

import os
import socket
import threading
import time

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.mail.text import shorten, visible
from ansible_collections.mailops.rescue.plugins.module_utils.watch import notice
from ansible_collections.mailops.rescue.plugins.module_utils.watch.addresses import other_host

LOG = "/dev/log"
# For one step on the network, and for a channel as a whole: a server may say one letter at a time.
_STEP, _WHOLE = 10, 25
_LONGEST_TOKEN = 4096
_LONGEST_REASON = 200
_MAIL = 2 << 3
_LEVELS = {"alert": 2, "reminder": 2, "recovery": 5, "test": 5}


class ChannelError(Exception):
    """A notice did not get out; the message says why."""


class Reason(str):
    """Why a notice did not get out, in words. ``final``: whether it is of no use to try again."""

    def __new__(cls, text, final=False):
        made = super().__new__(cls, visible(shorten(str(text), _LONGEST_REASON)).rstrip("."))
        made.final = final
        return made


def names(settings):
    """Return the names of the channels that are set."""
    return [name for name in ("webhook", "smtp", "syslog") if settings[name]]


def targets(settings):
    """Return the names of all who are told: of channels, and of each recipient of mail as ``smtp:ADDRESS``."""
    found = []
    for name in names(settings):
        found += ["smtp:" + one for one in settings["smtp"]["to"]] if name == "smtp" else [name]
    return found


def send_all(wanted, settings, seconds=_WHOLE):
    """Send notices by several channels at once; return a list of None or a Reason for each.

    ``wanted``: pairs of a name, of ``names`` or ``targets``, and a notice's document.
    """
    results = [Reason("no answer within %d seconds" % seconds)] * len(wanted)
    groups = {}
    for number, (target, made) in enumerate(wanted):
        name, _colon, recipient = target.partition(":")
        # One mail goes to all recipients of a notice.
        groups.setdefault((name, id(made) if recipient else -number), []).append((number, recipient, name, made))

    def reason(text):
        return Reason(_without_url(str(text), settings.get("webhook")))

    def run(members):
        _number, recipient, name, made = members[0]
        given = settings
        if recipient:
            given = dict(settings, smtp=dict(settings["smtp"], to=[one[1] for one in members]))
        try:
            refused = send(name, made, given) or {}
            reasons = [refused.get(one[1]) if recipient else _together(refused, given) for one in members]
        except (ChannelError, RescueError) as error:
            reasons = [reason(error)] * len(members)
        except (ConnectionError, FileNotFoundError) as error:
            reasons = [reason(error.strerror or type(error).__name__)] * len(members)
        except Exception as error:  # whatever a server says must not keep other channels from being tried
            reasons = [reason("%s: %s" % (type(error).__name__, error))] * len(members)
        for member, one in zip(members, reasons):
            results[member[0]] = one

    ends = time.monotonic() + seconds
    threads = [threading.Thread(target=run, args=(members,), daemon=True) for members in groups.values()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0, ends - time.monotonic()))
    return list(results)


def _without_url(text, webhook):
    """Return ``text`` without the path of the webhook's URL, which may be a secret."""
    path = "/" + webhook["url"].partition("://")[2].partition("/")[2] if webhook else "/"
    return text if path == "/" else text.replace(path, "/...")


def _together(refused, settings):
    """Return one Reason for a mail, or None. ``refused``: a Reason for each recipient whom the server refused."""
    if not refused:
        return None
    asked = len(settings["smtp"]["to"])
    if asked == 1:
        return next(iter(refused.values()))
    final = all(one.final for one in refused.values())
    return Reason("the server refused %d of %d recipients" % (len(refused), asked), final)


def send(name, made, settings):
    """Send one notice by one channel; return {recipient: Reason} of those whom a mail server refused, or None.

    Raises ChannelError, RescueError, OSError and others.
    """
    return {"webhook": _webhook, "smtp": _smtp, "syslog": _syslog}[name](made, settings[name])


def _webhook(made, settings):
    # Only a run that has something to tell needs these.
    import json
    import ssl
    import urllib.error
    import urllib.request

    class NoRedirect(urllib.request.HTTPRedirectHandler):
        # Another place would get the token, too.
        def redirect_request(self, *unused):
            return None

    headers = {"Content-Type": "application/json", "User-Agent": settings.get("agent", "mailops-queue-watch")}
    if settings["token_file"]:
        headers["Authorization"] = "Bearer %s" % _token(settings["token_file"])
    request = urllib.request.Request(
        settings["url"], json.dumps(made, sort_keys=True).encode("ascii"), headers, method="POST"
    )
    handlers = [urllib.request.ProxyHandler({}), NoRedirect()]
    if settings["url"].lower().startswith("https:"):
        context = ssl.create_default_context(cafile=settings["ca_file"])
        handlers.append(urllib.request.HTTPSHandler(context=context))
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=_STEP) as answer:
            answer.read(1)
    except urllib.error.HTTPError as error:
        raise ChannelError("the server answered %d" % error.code) from None
    except urllib.error.URLError as error:
        raise ChannelError(error.reason) from None


def _token(path):
    try:
        with open(path, "rb") as file:
            token = file.read(_LONGEST_TOKEN).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ChannelError("the token cannot be read: %s" % (getattr(error, "strerror", None) or "not text")) from None
    if not token or not token.isprintable():
        raise ChannelError("the token is empty or not one line")
    return token


def _smtp(made, settings):
    import smtplib
    import ssl
    from email.message import EmailMessage
    from email.utils import formatdate, make_msgid

    mail = EmailMessage()
    domain = settings["from"].rpartition("@")[2]
    mail["From"] = settings["from"]
    mail["To"] = ", ".join(settings["to"])
    mail["Subject"] = shorten(made["text"], 150).encode("ascii", "replace").decode("ascii")
    mail["Date"] = formatdate(localtime=False)
    mail["Message-ID"] = make_msgid(domain=domain)
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Mailops-Event"] = made["event"]
    mail.set_content(made["body"] if "body" in made else notice.body(made))
    server = smtplib.SMTP(timeout=_STEP, local_hostname=domain)
    try:
        _connect(server, settings)
        server.ehlo_or_helo_if_needed()
        if settings["tls"] == "verified":
            server.starttls(context=ssl.create_default_context())
        elif server.has_extn("starttls"):
            # As from one mail server to another: any encryption is better than none.
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            server.starttls(context=context)
        try:
            refused = server.send_message(mail, settings["from"], settings["to"])
        except smtplib.SMTPRecipientsRefused as error:
            refused = error.recipients
            # After this one it takes nothing for those either whom it did not refuse.
            for answer in [one for one in refused.values() if one[0] == 421]:
                refused = dict.fromkeys(settings["to"], answer)
        return {
            one: Reason("%d %s" % (code, text.decode("ascii", "replace")), 500 <= code < 600)
            for one, (code, text) in refused.items()
        }
    finally:
        server.close()


def _connect(server, settings):
    # A name may lead elsewhere than when it was set.
    addresses = other_host(settings["host"], settings["port"])
    while True:
        address = addresses.pop(0)
        try:
            # By the address, so that nobody is asked a second time where the name leads.
            code, text = server.connect(address, settings["port"])
        except OSError:
            if addresses:
                continue
            raise
        if code != 220:
            raise ChannelError("the server does not serve us: %d %s" % (code, text.decode("ascii", "replace")))
        # The name is what its certificate is for.
        server._host = settings["host"]
        return


def _syslog(made, unused):
    level = _LEVELS[made["event"]]
    text = "<%d>mailops-queue-watch[%d]: %s" % (_MAIL | level, os.getpid(), made["text"])
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.settimeout(_STEP)
        log.connect(LOG)
        log.send(text.encode("utf-8", "replace"))
