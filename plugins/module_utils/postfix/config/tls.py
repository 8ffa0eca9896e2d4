# Copyright: mailops.rescue contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a Postfix SMTP server can offer TLS, as far as its parameters and files tell."""

__all__ = ["KEYS", "PARAMETERS", "obstacle"]

import re
import ssl

_CERTIFICATES = ("smtpd_tls_chain_files", "smtpd_tls_cert_file", "smtpd_tls_eccert_file", "smtpd_tls_dcert_file")
KEYS = {
    "smtpd_tls_key_file": "smtpd_tls_cert_file",
    "smtpd_tls_eckey_file": "smtpd_tls_eccert_file",
    "smtpd_tls_dkey_file": "smtpd_tls_dcert_file",
}
PARAMETERS = (
    _CERTIFICATES
    + tuple(KEYS)
    + (
        "smtpd_enforce_tls",
        "smtpd_tls_security_level",
        "smtpd_tls_wrappermode",
        "smtpd_use_tls",
    )
)
_LEVELS = ("may", "encrypt")


def obstacle(value, exists):
    """Return why a service offers no TLS, as a phrase, or None.

    ``value(name)`` is the value that holds for the service; ``exists(path)`` tells whether a file is there.
    """
    level = value("smtpd_tls_security_level")
    legacy = ("smtpd_tls_wrappermode", "smtpd_use_tls", "smtpd_enforce_tls")
    if level and level.lower() not in _LEVELS and "$" not in level:
        return "smtpd_tls_security_level is %s" % level
    if not level and not any(value(name).lower() == "yes" for name in legacy):
        return "smtpd_tls_security_level is empty"
    files = [path for name in _CERTIFICATES for path in re.split(r"[,\s]+", value(name)) if path]
    if not [path for path in files if path != "none"]:
        return "it has no certificate (smtpd_tls_cert_file, smtpd_tls_chain_files)"
    files += [path for name in KEYS for path in [value(name).strip()] if path]
    for path in files:
        if path.startswith("/") and "$" not in path and not exists(path):
            return "%s does not exist" % path
    return _misfit(value)


def _misfit(value):
    chains = [path for path in re.split(r"[,\s]+", value("smtpd_tls_chain_files")) if path]
    if chains:
        # Each key is followed by its certificates, which may be in files of their own.
        pairs = [(chains[0], chains[0])] if len(chains) == 1 else []
    else:
        pairs = [(value(certificate), value(key) or value(certificate)) for key, certificate in KEYS.items()]
    for certificate, key in pairs:
        if not certificate.startswith("/") or "$" in certificate + key:
            continue
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
        except ssl.SSLError as error:
            # Python may be stricter than Postfix about what is weak.
            if error.reason not in ("EE_KEY_TOO_SMALL", "CA_KEY_TOO_SMALL", "CA_MD_TOO_WEAK"):
                return "the key in %s does not go with the certificate in %s" % (key, certificate)
        except (OSError, ValueError):
            continue
    return None
