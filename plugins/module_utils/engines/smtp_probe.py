# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the options of smtp_probe to its result."""

__all__ = ["ADDRESS", "probe"]

import datetime
import math
import re
import ssl
import time
import uuid

from ansible_collections.mailops.rescue.plugins.module_utils.errors import Damaged, RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.mail.text import shorten, visible
from ansible_collections.mailops.rescue.plugins.module_utils.smtp.certificate import describe
from ansible_collections.mailops.rescue.plugins.module_utils.smtp.connection import Broken, connect
from ansible_collections.mailops.rescue.plugins.module_utils.smtp.expectations import check_expect, differences
from ansible_collections.mailops.rescue.plugins.module_utils.smtp.session import Session, any_certificate, mechanisms

_IMPLICIT_PORT = 465
_SHORTEST, _LONGEST = 0.1, 600
_MOST_RECIPIENTS = 50
_LONGEST_ADDRESS = 320
_HOST = re.compile(r"[A-Za-z0-9._:%-]{1,255}\Z")
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_DOMAIN = re.compile(r"(?=.{1,253}\Z)%s(?:\.%s)*\Z" % (_LABEL, _LABEL))
# Neither a blank nor an angle bracket nor the end of a line: any of them would be a command of its own.
# What can be a recipient in a session.
ADDRESS = re.compile(r"[!-;=?-~]{1,%d}\Z" % _LONGEST_ADDRESS)
_HELO = re.compile(r"[!-~]{1,255}\Z")
# RFC 2606: nobody's.
_ELSEWHERE = "mailops-probe@example.net"
_CLOSED, _TOO_MANY = 421, 452


class _TlsFailed(Exception):
    pass


def probe(params):
    """Return the result of one probe; raises RescueError for bad input, and where ``expect`` does not hold."""
    wanted = _check(params)
    run = _Probe(params, wanted)
    result = run.result()
    different = differences(params["expect"], result)
    if different:
        error = RescueError("expect: %s." % "; ".join(different))
        error.result = result
        raise error
    return result


class _Probe:
    def __init__(self, params, wanted):
        self._params = params
        self._wanted = wanted
        self._tried = {}
        self._refused = None
        self._session = None
        self._begun = time.monotonic()
        self._deadline = self._begun + params["timeout"]
        self._found = {
            "connected": False,
            "address": None,
            "family": None,
            "port": params["port"],
            "banner": None,
            "banner_code": None,
            "helo_code": None,
            "extensions": [],
            "pipelining": None,
            "starttls": {
                "offered": None,
                "ok": False,
                "version": None,
                "cipher": None,
                "certificate": None,
                "error": None,
            },
            "auth": {"before_tls": None, "after_tls": None},
            "seconds": {"connect": None, "banner": None},
            "error": None,
        }

    def result(self):
        """Probe, and return what was found."""
        tls = self._params["tls"] or ("implicit" if self._params["port"] == _IMPLICIT_PORT else "auto")
        try:
            try:
                self._converse(tls)
            except _TlsFailed:
                # As a mail server would: what cannot be sent over TLS is sent without.
                self._converse("none")
            self._session.end()
            self._verify(tls)
        except Broken as error:
            self._found["error"] = str(error)
        finally:
            if self._session:
                self._session.close()
        found = dict(self._found)
        verdicts = [(kind, self._verdict(number)) for number, (kind, _address) in enumerate(self._wanted)]
        for name in ("unknown_recipient", "postmaster", "relay"):
            found[name] = next((one for kind, one in verdicts if kind == name), None)
        found["recipients"] = [one for kind, one in verdicts if kind == "recipients"]
        found["seconds"] = dict(found["seconds"], total=self._elapsed())
        return dict(found, changed=False)

    def _elapsed(self):
        return round(time.monotonic() - self._begun, 3)

    def _open(self):
        params = self._params
        host = params["host"] or ("::1" if params["family"] == "ipv6" else "127.0.0.1")
        try:
            connection, address, family = connect(_bare(host), params["port"], params["family"], self._deadline)
        except Broken as error:
            raise Broken("connecting: %s" % error) from None
        return Session(connection, params["helo"]), address, family

    def _converse(self, tls):
        found = self._found
        session, address, family = self._open()
        self._session = session
        found.update(connected=True, address=address, family=family)
        found["seconds"]["connect"] = self._elapsed()
        if tls == "implicit":
            self._begin_tls(tls)
        banner = session.greeting()
        found["seconds"]["banner"] = self._elapsed()
        found.update(banner=banner.text, banner_code=banner.code)
        if banner.code != 220:
            session.end()
            raise Broken("the server does not serve us: %d %s" % (banner.code, banner.text))
        self._hello("after_tls" if tls == "implicit" else "before_tls")
        if tls != "implicit":
            found["starttls"]["offered"] = session.offers("STARTTLS")
        if tls in ("auto", "required") and self._may_begin_tls(tls):
            self._begin_tls(tls)
            self._hello("after_tls")
        self._try_recipients()

    def _hello(self, when):
        session, found = self._session, self._found
        found["helo_code"] = session.hello()
        found["extensions"] = session.extensions
        found["pipelining"] = session.offers("PIPELINING")
        found["auth"][when] = mechanisms(session.extensions)

    def _may_begin_tls(self, tls):
        starttls = self._found["starttls"]
        if starttls["offered"]:
            reply = self._session.starttls()
            if reply.code == 220:
                return True
            starttls["error"] = "%d %s" % (reply.code, reply.text)
            if reply.code == _CLOSED:
                raise Broken("STARTTLS: %s" % starttls["error"])
        if tls == "required":
            raise Broken("TLS is required, and %s" % (starttls["error"] or "STARTTLS is not offered"))
        return False

    def _begin_tls(self, tls):
        starttls = self._found["starttls"]
        try:
            # Where it hangs, there is still time to ask without.
            share = 0.5 if tls == "auto" else 1
            secured = self._session.begin_tls(any_certificate(), self._server_name(), share)
        except Broken as error:
            starttls["error"] = str(error)
            self._session.close()
            if tls == "auto":
                raise _TlsFailed() from None
            raise Broken("TLS: %s" % error) from None
        starttls.update(ok=True, version=secured.version(), cipher=(secured.cipher() or [None])[0])
        starttls["certificate"] = _certificate(secured.getpeercert(True))

    def _server_name(self):
        name = self._params["verify_name"] or self._params["host"] or ""
        return name if re.search("[A-Za-z]", name) and ":" not in name else None

    def _try_recipients(self):
        if not self._wanted:
            return
        session = self._session
        if not self._mail():
            return
        taken = 0
        for number, (_kind, address) in enumerate(self._wanted):
            answer = session.recipient(address)
            if answer.code == _TOO_MANY and taken:
                # Too many in one message, perhaps: this one as the first of another.
                session.reset()
                taken = 0
                if not self._mail():
                    return
                answer = session.recipient(address)
            taken += 200 <= answer.code < 300
            self._tried[number] = answer
            if answer.code == _CLOSED:
                raise Broken("RCPT: the server ended the session: %d %s" % (answer.code, answer.text))
        session.reset()

    def _mail(self):
        reply = self._session.mail(self._params["sender"])
        if reply.code == _CLOSED:
            raise Broken("MAIL: the server ended the session: %d %s" % (reply.code, reply.text))
        if 200 <= reply.code < 300:
            return True
        self._refused = reply
        return False

    def _verdict(self, number):
        reply = self._tried.get(number)
        if reply:
            verdict = {2: "accepted", 4: "deferred"}.get(reply.code // 100, "refused")
            code, text = reply.code, reply.text
        elif self._refused:
            verdict, code = "untried", self._refused.code
            text = "the sender was refused: " + self._refused.text
        else:
            verdict, code, text = "untried", None, self._found["error"]
        return {"address": self._wanted[number][1], "verdict": verdict, "code": code, "text": text}

    def _verify(self, tls):
        """Ask, in a session of its own, whether a client that wants a valid certificate for this name gets one."""
        name, certificate = self._params["verify_name"], self._found["starttls"]["certificate"]
        if not name or not certificate:
            return
        session = None
        try:
            session = self._open()[0]
            if tls != "implicit":
                session.greeting()
                session.hello()
                if session.starttls().code != 220:
                    raise Broken("STARTTLS was refused at the second time")
            session.begin_tls(ssl.create_default_context(), name)
            if tls == "implicit":
                session.greeting()
            certificate["verified"] = True
            session.end()
        except Broken as error:
            certificate.update(verified=False, error=str(error))
        finally:
            if session:
                session.close()


def _certificate(der):
    known = dict.fromkeys(("subject", "issuer", "names", "not_before", "not_after", "days_left", "verified", "error"))
    try:
        known.update(describe(der or b"", datetime.datetime.now(datetime.timezone.utc)))
    except Damaged as error:
        known["error"] = "it cannot be read: %s" % error
    return known


def _bare(host):
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def _check(params):
    """Return ``[(kind, address)]`` of the recipients to try; raises RescueError with a sentence."""
    host, port, timeout = params["host"], params["port"], params["timeout"]
    if host is not None and not _HOST.match(_bare(host)):
        _refuse("host", "a host name or an address", host)
    if not 1 <= port <= 65535:
        raise RescueError("port: expected 1 to 65535, got %d." % port)
    if not (math.isfinite(timeout) and _SHORTEST <= timeout <= _LONGEST):
        raise RescueError("timeout: expected %s to %d seconds, got %s." % (_SHORTEST, _LONGEST, timeout))
    for name, form, meaning in (
        ("helo", _HELO, "a host name or an address in brackets, in ASCII without blanks"),
        ("sender", ADDRESS, "an address in ASCII without blanks and angle brackets"),
        ("unknown_domain", _DOMAIN, "a domain"),
        ("verify_name", _DOMAIN, "a host name"),
    ):
        if params[name] and not form.match(params[name]):
            _refuse(name, meaning, params[name])
    recipients = params["recipients"] or []
    if len(recipients) > _MOST_RECIPIENTS:
        raise RescueError("recipients: expected %d at most, got %d." % (_MOST_RECIPIENTS, len(recipients)))
    for address in recipients:
        if not ADDRESS.match(address):
            _refuse("recipients", "addresses in ASCII without blanks and angle brackets", address)
    wanted = []
    if params["unknown_domain"]:
        wanted.append(("unknown_recipient", "mailops-probe-%s@%s" % (uuid.uuid4().hex[:12], params["unknown_domain"])))
    postmaster = _postmaster(params["postmaster"], params["unknown_domain"])
    if postmaster:
        wanted.append(("postmaster", postmaster))
    if params["relay"]:
        wanted.append(("relay", _ELSEWHERE))
    wanted += [("recipients", address) for address in recipients]
    check_expect(params["expect"], {kind for kind, _address in wanted})
    return wanted


def _postmaster(value, domain):
    """Return the address that the option means, or None."""
    if isinstance(value, str) and value.lower() in ("true", "yes", "false", "no"):
        value = value.lower() in ("true", "yes")
    if value is None or value is False:
        return None
    if value is True:
        # RFC 5321, 4.5.1: every server takes it without a domain too.
        return "postmaster@" + domain if domain else "postmaster"
    if not isinstance(value, str) or not _DOMAIN.match(value):
        _refuse("postmaster", "true, false or a domain", str(value))
    return "postmaster@" + value


def _refuse(option, meaning, value):
    raise RescueError('%s: expected %s, got "%s".' % (option, meaning, shorten(visible(value), 100)))
