import json
import time

import pytest

from ansible_collections.mailops.rescue.plugins.module_utils.watch import channels, run
from ansible_collections.mailops.rescue.plugins.module_utils.watch.clock import Moment
from tests.support.postfix_queue import PostfixQueue

SETTINGS = {
    "version": 1,
    "host": "mx1",
    "threshold": 300,
    "age": 0,
    "growth": 0,
    "growth_window": 300,
    "bounce_share": 0,
    "bounce_minimum": 100,
    "interval": 60,
    "cooldown": 3600,
    "webhook": None,
    "smtp": None,
    "syslog": False,
    "textfile_directory": None,
}


class Watched:
    """A Postfix queue, and runs of the watch on it at times of our own. `sent` is what channels were given."""

    def __init__(self, path, monkeypatch):
        self.queue = PostfixQueue(path / "queue")
        self.state = path / "state"
        self.state.mkdir()
        self.runtime = path / "run"
        self.runtime.mkdir()
        self.file = path / "settings.json"
        self.settings = dict(
            SETTINGS,
            threshold=5,
            syslog=True,
            queues=[{"name": "postfix", "mta": "postfix", "directories": [str(path / "queue")]}],
        )
        self.sent = []
        self.tried = []
        self.real = channels.send
        self.failing = {}
        self.at = self.up = time.time()
        self.boot = "one"
        monkeypatch.setattr(channels, "send", self._send)

    def _send(self, name, made, settings):
        self.tried.append(name)
        if name in self.failing:
            raise channels.ChannelError(self.failing[name])
        self.sent.append((name, made["event"], made))

    def add(self, count, queue="deferred", **options):
        return [
            self.queue.add("Subject: x\n\n", "a@example.com", ["b@example.net"], queue, **options) for _ in range(count)
        ]

    def empty(self):
        for path in (self.state.parent / "queue" / "deferred").rglob("*"):
            if path.is_file():
                path.unlink()

    def run(self, *arguments, later=60):
        self.at += later
        self.up += later
        self.file.write_text(json.dumps(self.settings))
        moment = Moment(self.at, self.up, self.boot)
        return run.main(list(arguments), str(self.file), str(self.state), moment, str(self.runtime))

    def events(self, name="syslog"):
        return [event for channel, event, _made in self.sent if channel == name]


@pytest.fixture
def watched(tmp_path, monkeypatch):
    return Watched(tmp_path, monkeypatch)
