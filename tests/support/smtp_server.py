"""A small SMTP server on the loopback interface that says what a test wants it to say."""

import contextlib
import datetime
import socket
import ssl
import threading

__all__ = ["Script", "certificate", "serving"]


class Script:
    """A well-behaved server. Tests override methods; each gets the `Peer` and the command's text, and answers on it.

    `commands` are what clients said, over all sessions; `sessions` how many there were.
    """

    offers = ("PIPELINING", "SIZE 10240000", "8BITMIME")
    auth = None
    auth_over_tls = "AUTH PLAIN LOGIN"
    context = None
    known = ("postmaster", "info")
    domain = "example.com"

    def __init__(self, **changes):
        self.commands = []
        self.sessions = 0
        for name, value in changes.items():
            assert hasattr(type(self), name), name
            setattr(self, name, value)

    def serve(self, peer):
        self.greet(peer)
        while True:
            line = peer.line()
            if line is None:
                return
            self.commands.append(line)
            verb = line.partition(" ")[0].lower()
            if getattr(self, "do_" + verb, self.unknown)(peer, line) is False:
                return

    def greet(self, peer):
        peer.say("220 mail.example.com ESMTP")

    def unknown(self, peer, line):
        peer.say("502 5.5.2 No such command")

    def do_ehlo(self, peer, line):
        words = list(self.offers)
        if self.context and not peer.secure:
            words.append("STARTTLS")
        auth = self.auth_over_tls if peer.secure else self.auth
        if auth:
            words.append(auth)
        lines = ["mail.example.com", *words]
        peer.say(*("250%s%s" % (" " if at == len(lines) else "-", text) for at, text in enumerate(lines, 1)))

    def do_helo(self, peer, line):
        peer.say("250 mail.example.com")

    def do_starttls(self, peer, line):
        peer.say("220 2.0.0 Ready")
        peer.begin_tls(self.context)

    def do_mail(self, peer, line):
        peer.say("250 2.1.0 Ok")

    def do_rcpt(self, peer, line):
        local, _at, domain = line.partition("<")[2].partition(">")[0].partition("@")
        if domain not in ("", self.domain):
            peer.say("554 5.7.1 Relay access denied")
        elif local in self.known:
            peer.say("250 2.1.5 Ok")
        else:
            peer.say("550 5.1.1 User unknown")

    def do_rset(self, peer, line):
        peer.say("250 2.0.0 Ok")

    def do_quit(self, peer, line):
        peer.say("221 2.0.0 Bye")
        return False


class Peer:
    """The server's side of one connection. `stopped` is set when the test is over: whoever dawdles waits for it."""

    def __init__(self, sock, stopped):
        self.sock = sock
        self.stopped = stopped
        self.secure = False
        self._waiting = b""

    def say(self, *lines):
        self.send("".join(line + "\r\n" for line in lines).encode("utf-8", "surrogateescape"))

    def send(self, data):
        self.sock.sendall(data)

    def line(self):
        while b"\n" not in self._waiting:
            data = self.sock.recv(4096)
            if not data:
                return None
            self._waiting += data
        line, _end, self._waiting = self._waiting.partition(b"\n")
        return line.rstrip(b"\r").decode("ascii", "replace")

    def begin_tls(self, context):
        self.sock = context.wrap_socket(self.sock, server_side=True)
        self.secure = True


@contextlib.contextmanager
def serving(script, host="127.0.0.1"):
    """Serve `script` to whoever connects; yields the port."""
    stopped = threading.Event()
    listener = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=20)
    peers = []

    def accept():
        while True:
            try:
                sock, _address = listener.accept()
            except OSError:
                return
            script.sessions += 1
            peers.append(sock)
            threading.Thread(target=talk, args=(sock,), daemon=True).start()

    def talk(sock):
        peer = Peer(sock, stopped)
        # A client that goes away in the middle is what many tests are about.
        with contextlib.suppress(OSError, ssl.SSLError):
            script.serve(peer)
        with contextlib.suppress(OSError):
            peer.sock.close()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        stopped.set()
        # close() alone leaves the thread in accept().
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for sock in peers:
            with contextlib.suppress(OSError):
                sock.close()


def certificate(directory, name="mail.example.com", days=10, names=("mail.example.com",)):
    """Return (an ssl.SSLContext for a server, the path of its self-made certificate)."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(x509.NameOID.COMMON_NAME, name),
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Grüße"),
        ]
    )
    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=30))
        # A test takes no hour.
        .not_valid_after(now + datetime.timedelta(days=days, hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in names]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = directory / "server.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context, path
