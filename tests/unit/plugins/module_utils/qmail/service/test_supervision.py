"""Which supervisor is found."""

import os

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.host.procfs import Procfs
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.service import supervision
from ansible_collections.mailops.rescue.plugins.module_utils.qmail.service.supervisors import Systemd
from tests.support.fake_proc import FakeProc

QUEUE = "/var/qmail/queue"
LWQ = '#!/bin/sh\nPATH="/var/qmail/bin:$PATH"\nexec qmail-start ./Mailbox\n'
SMTPD = "#!/bin/sh\nexec tcpserver 0 smtp /var/qmail/bin/qmail-smtpd 2>&1\n"


class Host:
    """Processes, service directories, units and scripts of a host of our own."""

    def __init__(self, path, monkeypatch):
        self.path = path
        self.fake = FakeProc(path)
        self.proc = Procfs(self.fake.root)
        for name in ("service", "units", "init.d"):
            (path / name).mkdir()
        self.places = supervision.Places(*((str(path / name),) for name in ("service", "units", "init.d")))
        self.main_pid = "0"
        self.booted = False
        monkeypatch.setattr(Systemd, "is_here", staticmethod(lambda: self.booted))
        monkeypatch.setattr(Systemd, "show", lambda unit: {"MainPID": self.main_pid, "LoadState": "loaded"})

    def service(self, name, run, program="supervise", pid=None):
        directory = self.path / "service" / name
        directory.mkdir()
        (directory / "run").write_text(run)
        if program:
            self.fake.add(pid or 500 + len(list((self.path / "service").iterdir())), program, cwd=str(directory))
        return str(directory)

    def script(self, name, text):
        path = self.path / "init.d" / name
        path.write_text(text)
        path.chmod(0o755)
        return str(path)

    def unit(self, name, text):
        (self.path / "units" / name).write_text(text)

    def find(self, pid=None, queue=QUEUE, kind="auto", service=None):
        process = self.proc.process(pid) if pid else None
        return supervision.find_supervisor(queue, process, kind, service, self.proc, self.places)

    def found(self, *given, **options):
        one, reason = self.find(*given, **options)
        return (one.kind, one.service) if one else reason


@pytest.fixture
def host(tmp_path, monkeypatch):
    return Host(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("program", "kind"), [("supervise", "daemontools"), ("runsv", "runit"), ("s6-supervise", "s6")]
)
def test_of_a_running_one(host, program, kind):
    directory = host.service("mail", "anything", program, 50)
    host.service("qmail", LWQ, program, 51)
    host.fake.add(60, "qmail-send", parent=50, session=50)
    assert host.found(60) == (kind, directory)


def test_behind_a_shell(host):
    directory = host.service("mail", "x", pid=50)
    host.fake.add(55, "run", parent=50, session=9)
    host.fake.add(60, "qmail-send", parent=55, session=9)
    assert host.found(60) == ("daemontools", directory)


def test_started_by_hand_over_a_supervised_sshd(host):
    host.service("sshd", "exec sshd -D", "runsv", 50)
    host.fake.add(55, "sshd", parent=50, session=9)
    host.fake.add(57, "sh", parent=55, session=57)
    host.fake.add(60, "qmail-send", parent=57, session=57)
    assert host.found(60) == (
        "supervisor: no supervisor of qmail-send (pid 60) was found; name it by supervisor and service."
    )


@pytest.mark.parametrize(
    "group",
    ["0::/system.slice/qmail.service", "1:name=systemd:/system.slice/qmail.service/sub", "0::/a.slice/qmail.service"],
)
def test_unit_of_a_running_one(host, group):
    host.booted = True
    host.fake.add(60, "qmail-send", groups=["12:pids:/", group])
    assert host.found(60) == ("systemd", "qmail.service")


def test_unit_by_its_main_process(host):
    host.booted = True
    host.fake.add(60, "qmail-send", groups=["0::/system.slice/mailout.service"])
    assert "no supervisor" in host.found(60)
    host.main_pid = "60"
    assert host.found(60) == ("systemd", "mailout.service")


def test_supervise_that_is_itself_a_unit(host):
    host.booted = True
    directory = host.service("mail", "x", pid=50)
    host.fake.add(60, "qmail-send", parent=50, session=50, groups=["0::/system.slice/daemontools-for-qmail.service"])
    assert host.found(60) == ("daemontools", directory)


def test_session_is_no_unit(host):
    host.booted = True
    host.fake.add(60, "qmail-send", groups=["0::/user.slice/user-0.slice/session-3.scope"])
    assert "no supervisor" in host.found(60)


@pytest.mark.parametrize(
    "run",
    [
        LWQ,
        "#!/bin/sh\nexec /var/qmail/rc\n",
        '#!/bin/sh\nexec env - PATH="/var/qmail/bin:/bin" qmail-start ./Maildir/ splogger qmail\n',
        "#!/bin/execlineb\n/var/qmail/bin/qmail-start ./Mailbox\n",
    ],
)
def test_of_one_that_is_down(host, run):
    host.service("qmail-smtpd", SMTPD)
    directory = host.service("qmail-send", run)
    assert host.found() == ("daemontools", directory)


@pytest.mark.parametrize(
    "run",
    [
        LWQ.replace("/var/qmail/", "/var/qmail2/"),
        LWQ.replace("/var/qmail/", "/srv/var/qmail/"),
        "#!/bin/sh\n# exec /var/qmail/rc\n",
        SMTPD,
        "",
    ],
)
def test_of_another_qmail_or_of_none(host, run):
    host.service("qmail-send", run)
    assert host.found() == (
        "supervisor: no supervisor of qmail-send for /var/qmail/queue was found; name it by supervisor and service."
    )


def test_directory_that_nothing_supervises(host):
    host.service("qmail-send", LWQ, None)
    assert "no supervisor" in host.found()


def test_several(host):
    one, two = host.service("qmail-a", LWQ), host.service("qmail-b", LWQ)
    assert host.found() == "service: several can start qmail-send: %s, %s; name one of them." % (one, two)
    assert host.found(service=two) == ("daemontools", two)


@pytest.mark.parametrize("queue", ["/var/indimail/queue", "/var/indimail/queue/queue1", "/var/indimail/queue1"])
def test_several_queues(host, queue):
    host.service("qmail", LWQ)
    directory = host.service("send-1", LWQ.replace("/var/qmail/bin", "/var/indimail/sbin"))
    assert host.found(queue=queue) == ("daemontools", directory)


def test_home_by_another_name(host):
    (host.path / "var-qmail" / "queue").mkdir(parents=True)
    os.symlink(host.path / "var-qmail", host.path / "link")
    directory = host.service("qmail", LWQ.replace("/var/qmail/", "%s/" % (host.path / "var-qmail")))
    assert host.found(queue=str(host.path / "link" / "queue")) == ("daemontools", directory)


def test_unit_of_one_that_is_down(host):
    host.unit("qmail.service", "[Service]\nExecStart=/var/qmail/rc\n")
    host.unit("qmail-smtpd.service", "[Service]\nExecStart=/var/qmail/bin/qmail-smtpd\n")
    assert "no supervisor" in host.found()
    host.booted = True
    assert host.found() == ("systemd", "qmail.service")


def test_unit_generated_from_a_script(host):
    host.booted = True
    path = host.script("qmail", LWQ)
    host.unit("qmail.service", "[Unit]\nSourcePath=%s\n[Service]\nExecStart=%s start\n" % (path, path))
    assert host.found() == ("systemd", "qmail.service")


def test_script(host):
    path = host.script("qmail", LWQ)
    host.script("qmail-smtpd", SMTPD)
    assert host.found() == ("sysv", path)
    host.fake.add(60, "qmail-send")
    assert host.found(60) == ("sysv", path)


def test_script_under_two_names_is_one(host):
    path = host.script("qmail", LWQ)
    os.symlink(path, host.path / "init.d" / "zqmail")
    assert host.found() == ("sysv", path)


def test_kind_alone(host):
    host.service("qmail", LWQ)
    directory = host.service("qmail-r", LWQ, "runsv")
    assert host.found(kind="runit") == ("runit", directory)
    assert host.found(kind="s6") == (
        "supervisor: no service of s6 of qmail-send for /var/qmail/queue was found; name it by service."
    )


@pytest.mark.parametrize(
    ("kind", "service", "expected"),
    [
        ("systemd", "qmail", ("systemd", "qmail.service")),
        ("systemd", "mail@out.service", ("systemd", "mail@out.service")),
        ("sysv", "qmail", ("sysv", "/etc/init.d/qmail")),
        ("sysv", "/opt/qmailctl", ("sysv", "/opt/qmailctl")),
        ("none", None, ("none", None)),
        ("none", "/var/qmail/rc", ("none", "/var/qmail/rc")),
        ("auto", "/opt/qmailctl", ("sysv", "/opt/qmailctl")),
    ],
)
def test_named(host, kind, service, expected):
    assert host.found(kind=kind, service=service) == expected


def test_named_in_the_usual_places(host):
    directory = host.service("qmail", LWQ, None)
    assert host.found(kind="daemontools", service="qmail") == ("daemontools", directory)


@pytest.mark.parametrize(
    ("kind", "service", "sentence"),
    [
        ("daemontools", "qmial", "service: there is no directory qmial in "),
        ("runit", "/absent", "service: there is no directory /absent."),
        ("auto", "/etc", "service: no supervise, runsv or s6-supervise is running for /etc."),
        ("auto", "qmail", "service: qmail is no directory or script; say by supervisor what it is."),
    ],
)
def test_named_wrongly(host, kind, service, sentence):
    with pytest.raises(RescueError) as caught:
        host.find(kind=kind, service=service)
    assert str(caught.value).startswith(sentence)


def test_unit_named_alone(host):
    host.booted = True
    assert host.found(service="qmail") == ("systemd", "qmail.service")
