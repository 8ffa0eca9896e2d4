"""A real headless Chromium, driven over its own pipe, without any library."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

__all__ = ["Browser", "chromium"]


def chromium():
    """Return the path of an installed Chromium, or None."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Browser:
    """One tab; `messages` holds what the console, the log and uncaught exceptions said."""

    def __init__(self, program):
        self.messages = []
        self.requests = []
        self._buffer = b""
        self._number = 0
        self._home = tempfile.mkdtemp(prefix="rescue-browser-")
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()

        def onto_three_and_four():
            # By way of high numbers, as either may be 3 or 4 already.
            os.dup2(theirs_in, 103)
            os.dup2(theirs_out, 104)
            os.dup2(103, 3)
            os.dup2(104, 4)

        self._process = subprocess.Popen(
            [
                program,
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-background-networking",
                "--remote-debugging-pipe",
                "--user-data-dir=" + self._home,
                "about:blank",
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            close_fds=False,
            preexec_fn=onto_three_and_four,  # noqa: PLW1509 (no thread is running here, and there is no other way)
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._session = None
        target = next(one for one in self._call("Target.getTargets")["targetInfos"] if one["type"] == "page")
        attached = self._call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(domain + ".enable")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._process.terminate()
        self._process.wait(60)
        os.close(self._in)
        os.close(self._out)
        shutil.rmtree(self._home, ignore_errors=True)

    def open(self, path, width, height=900, dark=False):
        """Open the file `path` in a window of `width`; return how many seconds that took."""
        self._call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        self._call(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}],
        )
        began = time.monotonic()
        self._loaded = False
        self._call("Page.navigate", url="file://" + str(path))
        while not self._loaded:
            self._event(self._read())
        return time.monotonic() - began

    def value(self, expression):
        """Return the value of the JavaScript `expression` in the page."""
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def screenshot(self, path, whole=False):
        options = {"captureBeyondViewport": True} if whole else {}
        data = self._call("Page.captureScreenshot", format="png", **options)["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def _call(self, method, **params):
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]
            self._event(answer)

    def _event(self, message):
        name, params = message.get("method"), message.get("params", {})
        if name == "Page.loadEventFired":
            self._loaded = True
        elif name == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif name in (
            "Runtime.consoleAPICalled",
            "Runtime.exceptionThrown",
            "Log.entryAdded",
            "Page.javascriptDialogOpening",
        ):
            self.messages.append("%s: %s" % (name, json.dumps(params)[:500]))

    def _read(self):
        until = time.monotonic() + 120
        while b"\0" not in self._buffer:
            ready, _w, _x = select.select([self._in], [], [], max(until - time.monotonic(), 0))
            assert ready, "Chromium does not answer"
            piece = os.read(self._in, 1 << 20)
            assert piece, "Chromium is gone"
            self._buffer += piece
        message, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(message)
