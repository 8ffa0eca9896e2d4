"""Make a mail server with submission on 587 and 465, something on port 22, and a firewall that an administrator set up.

usage: serve.py nftables|firewalld|ufw          set up
       serve.py nftables|firewalld|ufw spoil    leave half of what the role did
       serve.py FIREWALL off|on                 switch ufw off and on, as an administrator does
       serve.py listen                          greet whoever connects to port 22
"""

import os
import socket
import socketserver
import subprocess
import sys

LISTENER = """\
[Service]
ExecStart=/usr/bin/python3 /opt/mailops/serve.py listen
[Install]
WantedBy=multi-user.target
"""
SPOILT = "465:600/tcp"
NFTABLES = """\
#!/usr/sbin/nft -f
flush ruleset
table inet filter {
    chain input {
        type filter hook input priority 0; policy accept;
        tcp dport 23 drop
    }
}
"""


def run(*command):
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


class Greeting(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(b"220 here\r\n")


class Listener(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    allow_reuse_address = True


def serve():
    key, certificate = "/etc/ssl/private/mail.pem", "/etc/ssl/mail.pem"
    run(
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=mail.example.com",
        "-days",
        "30",
        "-keyout",
        key,
        "-out",
        certificate,
    )
    # There is no name server that would be slow to be missed.
    run(
        "postconf",
        "-e",
        "inet_interfaces=all",
        "inet_protocols=all",
        "smtpd_peername_lookup=no",
        "smtpd_tls_cert_file=" + certificate,
        "smtpd_tls_key_file=" + key,
    )
    for port, wrapped in (("587", "no"), ("465", "yes")):
        run("postconf", "-M", "%s/inet=%s inet n - n - - smtpd" % (port, port))
        run("postconf", "-P", "%s/inet/smtpd_tls_wrappermode=%s" % (port, wrapped))
        run("postconf", "-P", "%s/inet/smtpd_tls_security_level=may" % port)
    write("/etc/systemd/system/listener.service", LISTENER)
    run("systemctl", "enable", "--now", "listener")
    run("systemctl", "restart", "postfix")


def nftables():
    write("/etc/nftables.conf", NFTABLES)
    run("systemctl", "enable", "--now", "nftables")


def firewalld():
    run("systemctl", "enable", "--now", "firewalld")
    for service in ("smtp", "smtp-submission", "smtps"):
        run("firewall-cmd", "--permanent", "--zone=public", "--add-service=" + service)
    # Everybody is let in, whatever the services.
    run("firewall-cmd", "--permanent", "--zone=public", "--set-target=ACCEPT")
    run("firewall-cmd", "--reload")
    # Backups that firewalld made meanwhile.
    for name in os.listdir("/etc/firewalld/zones"):
        if name.endswith(".old"):
            os.unlink("/etc/firewalld/zones/" + name)


def ufw():
    for port in ("22", "25", "587", "465,587"):
        run("ufw", "allow", "%s/tcp" % port)
    run("ufw", "limit", "from", "198.18.87.128/25", "to", "any", "port", "23", "proto", "tcp", "comment", "by hand")
    run("ufw", "--force", "enable")
    run("systemctl", "enable", "ufw")


def spoil(firewall):
    if firewall == "nftables":
        run("nft", "delete", "table", "inet", "mailops_submission")
        os.unlink("/etc/systemd/system/mailops-submission-firewall.service")
    elif firewall == "firewalld":
        rule = 'rule priority="-25464" port port="587" protocol="tcp" reject'
        run("firewall-cmd", "--zone=public", "--remove-rich-rule=" + rule)
        run("firewall-cmd", "--permanent", "--zone=public", "--remove-rich-rule=" + rule.replace("587", "465"))
    else:
        run("ufw", "insert", "1", "allow", SPOILT)
        run("ufw", "--force", "delete", "3")


def switch(to):
    if to == "on":
        run("ufw", "delete", "allow", SPOILT)
    run("ufw", "--force", {"on": "enable", "off": "disable"}[to])


if __name__ == "__main__":
    os.umask(0o022)
    firewall, verb = (sys.argv[1:] + ["up"])[:2]
    if firewall == "listen":
        Listener(("::", 22), Greeting).serve_forever()
    elif verb == "spoil":
        spoil(firewall)
    elif verb in ("on", "off"):
        if firewall == "ufw":
            switch(verb)
    else:
        serve()
        {"nftables": nftables, "firewalld": firewalld, "ufw": ufw}[firewall]()
