"""Which MTA is found, and the sentences for those who have none, or two."""

import os
import re

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.errors import RescueError
from ansible_collections.mailops.rescue.plugins.module_utils.host import programs
from ansible_collections.mailops.rescue.plugins.module_utils.mta import detect
from ansible_collections.mailops.rescue.plugins.module_utils.qmail import adapter
from tests.support.inspecting import as_nobody, queue_info
from tests.support.postfix_queue import PostfixQueue
from tests.support.qmail_queue import QmailQueue


class Machine:
    """Programs and queues of a host of our own: nothing of the real one is seen."""

    def __init__(self, path, monkeypatch):
        self.path = path
        self.bin = path / "bin"
        self.bin.mkdir()
        self._monkeypatch = monkeypatch
        monkeypatch.setattr(programs, "PATH", str(self.bin))
        monkeypatch.setattr(adapter, "QUEUES", (str(path / "absent"), str(path / "qmail")))
        monkeypatch.setenv("LC_ALL", "ja_JP.UTF-8")

    def program(self, name, text):
        path = self.bin / name
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(0o755)

    def qmail(self):
        return QmailQueue(self.path / "qmail", split=3)

    def postfix(self, *names):
        """Install Postfix with one instance for each name, the first one `-`."""
        lines, cases = "", ""
        for name in names or ("-",):
            queue = PostfixQueue(self.path / ("spool" + name))
            queue.add("x\n", "a@example.com", ["b@example.net"])
            lines += "%-15s %-15s %-9s %s\n" % (name, "-", "y", self.path / ("etc" + name))
            cases += "  *%s) directory=%s;;\n" % (self.path / ("etc" + name), queue.path)
        self.program(
            "postconf",
            'directory=%s\ncase "$2" in\n%sesac\necho "queue_directory = $directory"\n'
            'echo "mail_version = 3.7.11"\n' % (self.path / "spool-", cases),
        )
        self.program("postmulti", "cat <<'EOF'\n%sEOF\n" % lines)


@pytest.fixture
def machine(tmp_path, monkeypatch):
    return Machine(tmp_path, monkeypatch)


def refused(*given, **options):
    with pytest.raises(RescueError) as caught:
        detect.find(*given, **options)
    sentence = str(caught.value)
    assert sentence.endswith((".", "?"))
    return sentence


def test_qmail_alone(machine):
    queue = machine.qmail()
    target = detect.find()
    assert (target.mta, target.version, target.instances) == ("qmail", None, [None])
    assert target.reader.directories == [queue.path]


def test_postfix_alone(machine):
    machine.postfix()
    target = detect.find()
    assert (target.mta, target.version, target.instances) == ("postfix", "3.7.11", ["-"])
    assert target.reader.directories == [str(machine.path / "spool-")]


def test_several_postfix_instances(machine):
    machine.postfix("-", "postfix-out", "postfix-in")
    result = queue_info()
    assert result["version"] == "3.7.11"
    assert result["queues"] == [
        {"queue_directory": str(machine.path / ("spool" + name)), "instance": name, "total": 1}
        for name in ("-", "postfix-out", "postfix-in")
    ]
    assert (result["counts"]["total"], result["queue_directory"]) == (3, str(machine.path / "spool-"))


def test_one_postfix_instance_by_its_configuration(machine):
    machine.postfix("-", "postfix-out")
    target = detect.find("auto", None, str(machine.path / "etcpostfix-out"))
    assert target.reader.directories == [str(machine.path / "spoolpostfix-out")]


def test_postfix_without_postmulti(machine):
    machine.postfix()
    (machine.bin / "postmulti").unlink()
    assert detect.find().reader.directories == [str(machine.path / "spool-")]


def test_programs_speak_english(machine):
    machine.postfix()
    script = 'echo "queue_directory = %s"; echo "mail_version = $LC_ALL"'
    machine.program("postconf", script % (machine.path / "spool-"))
    assert detect.find().version == "C"


def test_both(machine):
    queue = machine.qmail()
    machine.postfix()
    sentence = refused()
    assert "both qmail (%s) and Postfix (%s) are here" % (queue.path, machine.path / "etc-") in sentence
    assert sentence.startswith("mta: ")
    assert "mta=qmail or mta=postfix" in sentence
    assert detect.find("qmail").reader.directories == [queue.path]
    assert detect.find("postfix").reader.directories == [str(machine.path / "spool-")]


@pytest.mark.parametrize(
    ("wanted", "named"), [("auto", "no qmail or Postfix"), ("qmail", "no qmail"), ("postfix", "no Postfix")]
)
def test_none(machine, wanted, named):
    sentence = refused(wanted)
    assert sentence.startswith("mta: %s is installed here" % named)
    assert "give queue_directory" in sentence


def test_only_the_other_one(machine):
    machine.qmail()
    assert refused("postfix").startswith("mta: no Postfix is installed here")


def test_installed_qmail_that_may_not_be_read(public_path, monkeypatch):
    machine = Machine(public_path, monkeypatch)
    os.chmod(machine.qmail().path, 0o700)
    if os.geteuid() != 0:
        os.chmod(public_path / "qmail", 0)
    with as_nobody():
        assert refused() == "%s cannot be read: run as root (become: true)." % (public_path / "qmail")


def test_installed_postfix_that_may_not_be_read(public_path, monkeypatch):
    machine = Machine(public_path, monkeypatch)
    machine.postfix()
    os.chmod(public_path / "spool-", 0o755)
    for name in os.listdir(public_path / "spool-"):
        os.chmod(public_path / "spool-" / name, 0)
    with as_nobody():
        assert refused() == "%s cannot be read: run as root (become: true)." % (public_path / "spool-" / "maildrop")


@pytest.mark.parametrize(
    ("script", "pattern"),
    [
        ("echo 'fatal: no main.cf.' >&2; exit 1", r"postconf .*failed: fatal: no main\.cf\."),
        ("exit 1", r"failed: no reason given\."),
        ("echo", r"does not say where the queue of Postfix is\."),
        ("echo 'queue_directory = /absent/spool'", r"/absent/spool is not a whole Postfix queue directory"),
    ],
)
def test_postfix_that_is_broken(machine, script, pattern):
    machine.program("postconf", script + "\n")
    assert re.search(pattern, refused())


def test_postfix_that_hangs(machine, monkeypatch):
    monkeypatch.setattr(programs, "_TIMEOUT", 0.2)
    machine.program("postconf", "exec sleep 30\n")
    assert "did not answer within" in refused()


def test_config_directory_without_postfix(machine):
    assert refused("auto", None, "/etc/postfix").startswith("config_directory: Postfix's postconf is not installed")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("qmail", None, "/etc/postfix"), "config_directory: it is for Postfix; with mta=qmail"),
        (("auto", "/x", "/etc/postfix"), "config_directory: expected either it or queue_directory, got both."),
    ],
)
def test_options_that_exclude_each_other(machine, options, sentence):
    assert refused(*options).startswith(sentence)


@pytest.mark.parametrize("wanted", ["auto", "qmail"])
def test_qmail_queue_by_directory(tmp_path, wanted):
    queue = QmailQueue(tmp_path / "queue")
    assert detect.find(wanted, queue.path).mta == "qmail"


@pytest.mark.parametrize("wanted", ["auto", "postfix"])
def test_postfix_queue_by_directory(tmp_path, wanted):
    target = detect.find(wanted, PostfixQueue(tmp_path).path)
    assert (target.mta, target.version, target.instances) == ("postfix", None, [None])


def test_relative_directory(tmp_path, monkeypatch):
    QmailQueue(tmp_path / "queue")
    monkeypatch.chdir(tmp_path)
    assert detect.find("auto", "queue").reader.directories == [str(tmp_path / "queue")]


def test_wrong_directory(tmp_path):
    assert refused("auto", str(tmp_path)) == "queue_directory: %s is not a queue." % tmp_path
    assert refused("qmail", str(tmp_path)) == "queue_directory: %s is not a qmail queue." % tmp_path


def test_directory_above_the_queue(tmp_path):
    QmailQueue(tmp_path / "queue")
    assert refused("auto", str(tmp_path)).endswith("; did you mean %s/queue." % tmp_path)


def test_queue_of_the_other_mta(tmp_path):
    postfix = PostfixQueue(tmp_path / "postfix").path
    qmail = QmailQueue(tmp_path / "qmail").path
    assert refused("qmail", postfix) == "queue_directory: %s is not a qmail queue." % postfix
    assert "%s is not a whole Postfix queue directory" % qmail in refused("postfix", qmail)


def test_absent_directory(tmp_path):
    path = str(tmp_path / "absent")
    assert refused("auto", path) == "queue_directory: %s: No such file or directory." % path


def test_file_for_a_directory(tmp_path):
    (tmp_path / "file").touch()
    assert refused("auto", str(tmp_path / "file")).endswith("file: Not a directory.")


def test_directory_that_may_not_be_read(public_path):
    os.mkdir(public_path / "queue", 0o700)
    os.chmod(public_path / "queue", 0o700 if os.geteuid() == 0 else 0)
    with as_nobody():
        sentence = refused("auto", str(public_path / "queue"))
    assert sentence == "queue_directory: %s cannot be read: run as root (become: true)." % (public_path / "queue")
