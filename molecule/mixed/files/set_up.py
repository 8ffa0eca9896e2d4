"""Makes a mail server with the holes that are to be closed: Postfix, or the qmail that was unpacked before.

usage: set_up.py postfix|qmail
"""

import json
import os
import subprocess
import sys

HERE = "/opt/mailops/"
NAME = "mail.example.com"
# Whoever connects from here is no neighbour on the loopback interface.
ADDRESSES = ("192.0.2.25/24", "2001:db8:25::25/64")
KEY, CERTIFICATE = "/etc/ssl/private/mailops.key", "/etc/ssl/certs/mailops.pem"
POSTFIX = {
    "inet_interfaces": "all",
    "inet_protocols": "all",
    "myhostname": NAME,
    "mydestination": "$myhostname, localhost",
    "mynetworks": "127.0.0.0/8 [::1]/128",
    "alias_maps": "hash:/etc/aliases",
    "alias_database": "hash:/etc/aliases",
    "smtpd_tls_security_level": "may",
    "smtpd_tls_cert_file": CERTIFICATE,
    "smtpd_tls_key_file": KEY,
    "smtpd_sasl_auth_enable": "yes",
    "broken_sasl_auth_clients": "yes",
    # Debian's "Local only" refuses all other mail.
    "default_transport": "smtp",
    "relay_transport": "relay",
}
SASL = "pwcheck_method: auxprop\nauxprop_plugin: sasldb\nmech_list: PLAIN LOGIN\n"
# inetd, as far as qmail-smtpd needs one.
SOCKET = """[Socket]
ListenStream=0.0.0.0:25
ListenStream=[::]:25
BindIPv6Only=ipv6-only
Accept=yes
MaxConnections=20

[Install]
WantedBy=sockets.target
"""
SERVICE = """[Service]
ExecStart=-%s/bin/qmail-smtpd
Environment=TCPREMOTEIP=192.0.2.1 PATH=%s/bin:/usr/bin:/bin
User=%s
StandardInput=socket
"""


def run(*command):
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def write(path, text, mode=0o644):
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, mode)


def set_up_postfix():
    run(
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "400",
        "-subj",
        "/CN=" + NAME,
        "-addext",
        "subjectAltName=DNS:" + NAME,
        "-keyout",
        KEY,
        "-out",
        CERTIFICATE,
    )
    write("/etc/postfix/sasl/smtpd.conf", SASL)
    run("postconf", "-e", *("%s=%s" % pair for pair in POSTFIX.items()))
    run("postconf", "-M", "submission/inet=submission inet n - n - - smtpd")
    run("postconf", "-P", "submission/inet/smtpd_sasl_auth_enable=yes")
    write("/etc/aliases", "postmaster: root\nsales: info\n")
    run("newaliases")
    run("systemctl", "restart", "postfix")


def set_up_qmail():
    # The image has Postfix on port 25.
    run("systemctl", "disable", "--now", "postfix")
    if os.path.exists(HERE + "accounts.json"):
        user = "qmaild"
        with open(HERE + "accounts.json") as f:
            accounts = json.load(f)
    else:
        from tests.support.installed_double import ACCOUNTS as accounts
        from tests.support.installed_double import install

        # Its programs do without qmail-queue, which alone may write into the queue.
        user = "root"
        install()
    import fill_qmail

    fill_qmail.ALIASES = {".qmail-postmaster": "&info\n", ".qmail-sales": "&info\n"}
    fill_qmail.CONTROL["smtproutes"] = ":127.0.0.1:1"
    fill_qmail.set_up(accounts)
    home = accounts["home"]
    write("/etc/systemd/system/qmail-smtpd.socket", SOCKET)
    write("/etc/systemd/system/qmail-smtpd@.service", SERVICE % (home, home, user))
    run("systemctl", "daemon-reload")
    run("systemctl", "enable", "--now", "qmail-smtpd.socket")


def main():
    for address in ADDRESSES:
        run("ip", "address", "replace", address, "dev", "lo")
    # Where the packed qmail's users and groups have no ids.
    for uid, user in enumerate(("info", "watcher"), 30001):
        run("useradd", "--create-home", "--shell", "/bin/true", "-u", str(uid), user)
    {"postfix": set_up_postfix, "qmail": set_up_qmail}[sys.argv[1]]()


if __name__ == "__main__":
    main()
