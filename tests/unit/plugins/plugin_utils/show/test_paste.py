"""What is pasted into a real shell on a terminal arrives as the words that were meant, and nothing else runs."""

import json
import os
import pty
import select
import shutil
import sys
import time

import pytest

from ansible_collections.mailops.rescue.plugins.plugin_utils.findings.exact import whole
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.paste import command_line, json_text
from ansible_collections.mailops.rescue.plugins.plugin_utils.show.queue_summary import show_summary, summarise
from tests.unit.plugins.plugin_utils.results import result

SHELLS = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "dash": ["dash", "-i"],
    "tcsh": ["tcsh", "-f"],
    "fish": ["fish", "--no-config", "-i"],
}
TEXTS = (
    "Win $(touch X) now",
    "`touch X`",
    "$HOME ${HOME} ~ * ?",
    "it's 50% off!",
    "!! !x !touch",
    "a \\ b \\\\ c \\n \\u0041",
    "# no comment",
    "; touch X",
    "| touch X & touch X",
    "\n touch X\n",
    "\r\x1b[2J\x00\x7f\x9b",
    "{a,b} [x] <x >X",
    "\"'\"'",
    "Gr\u00fc\u00dfe \u65e5\u672c \U0001f4b8 \u202e\u2028",
    "^Invoice \\$5$",
    "%s %1 =ls",
    "",
)
PLACE = "dumped.json"
# Stands where ansible-playbook would; a shell finds it by PATH.
PROGRAM = """#!%s
import json, os, sys
with open(os.environ["DUMP"] + ".new", "w") as file:
    json.dump(sys.argv[1:], file)
os.rename(file.name, os.environ["DUMP"])
"""


@pytest.fixture
def terminal(tmp_path):
    """A function that pastes lines into a shell, and returns what the program was called with."""
    program = tmp_path / "bin" / "ansible-playbook"
    program.parent.mkdir()
    program.write_text(PROGRAM % sys.executable)
    program.chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    dump = tmp_path / PLACE

    def paste(shell, text):
        if shutil.which(shell) is None:
            pytest.skip("NOT TESTED IN %s: it is not installed (scripts/viewers)" % shell)
        environment = {
            "PATH": "%s:/usr/bin:/bin" % program.parent,
            "DUMP": str(dump),
            "HOME": str(tmp_path),
            "TERM": "dumb",
            "LANG": "C.UTF-8",
        }
        pid, fd = pty.fork()
        if pid == 0:
            os.chdir(work)
            os.execvpe(SHELLS[shell][0], SHELLS[shell], environment)
        try:
            _read(fd, 0.7)
            for line in text.splitlines():
                os.write(fd, line.encode() + b"\n")
                _read(fd, 0.05)
            end = time.monotonic() + 20
            while not dump.exists() and time.monotonic() < end:
                said = _read(fd, 0.1)
            assert dump.exists(), said
            _read(fd, 0.2)
        finally:
            os.kill(pid, 9)
            os.close(fd)
            os.waitpid(pid, 0)
        assert os.listdir(work) == [], "something ran"
        return json.loads(dump.read_text())

    return paste


def _read(fd, seconds):
    said = b""
    while select.select([fd], [], [], seconds)[0]:
        try:
            chunk = os.read(fd, 65536)
        except OSError:
            break
        if not chunk:
            break
        # fish asks its terminal who it is, and waits for the answer.
        if b"\x1b[c" in chunk or b"\x1b[0c" in chunk:
            os.write(fd, b"\x1b[?62c")
        said += chunk
    return said


@pytest.mark.parametrize("shell", sorted(SHELLS))
def test_every_shell_gets_the_selection(terminal, shell):
    given = {"select": {"subject": list(TEXTS), "sender": "^a\\.b@x$"}, "limit": 3, "check": None, "on": True}
    words = ["playbooks/view.yml", "-i", "it's my !inventory\\x/hosts; touch X", "-l", "=mx1,2001:db8::1,%h"]
    words += ["-e", json_text(given)]
    found = terminal(shell, command_line(["ansible-playbook", *words]))
    assert found == words
    assert json.loads(found[-1]) == given


@pytest.mark.parametrize("shell", sorted(SHELLS))
@pytest.mark.parametrize(
    "subject",
    [
        "Win $(touch X) now",
        "`touch X` ; touch X | touch X & touch X",
        "x" * 60 + " touch X",
        "!touch > X 'touch X' \"touch X\" *",
        "\ntouch X",
    ],
)
def test_nothing_runs_where_the_whole_block_is_pasted(terminal, shell, subject):
    found = result(22, mta="postfix", top={"subject": {subject: 22}})
    page = show_summary(summarise({"mx1": found}), width=72)
    block = page[page.index("\nNEXT\n") :]
    assert json.loads(terminal(shell, block)[-1])["select"] == {"subject": whole(subject), "ignore_case": False}


def test_text_is_written_in_few_characters():
    said = json_text({"subject": "".join(map(chr, range(0x300))) + "\U0001f4b8"})
    assert set(said) <= set('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 _@+=:,./-\\"{}')
    assert json.loads(said) == {"subject": "".join(map(chr, range(0x300))) + "\U0001f4b8"}


def test_an_expression_can_be_read():
    assert json_text({"subject": "^Invoice 12$"}) == '{"subject": "^Invoice 12$"}'
    assert json_text("^a$b$") == '"^a\\u0024b$"'
    assert json_text("\ud800") == '"\\ud800"'
