"""What reports on many hosts take, in processor time, since machines are noisy."""

import shutil
import tempfile
import time
from pathlib import Path

from ansible_collections.mailops.rescue.plugins.plugin_utils.report.document import build
from ansible_collections.mailops.rescue.plugins.plugin_utils.report.formats import FORMATS, render
from tests.support.browser import Browser, chromium
from tests.support.reporting import RUN, large

LIMIT_SECONDS = 10


def measure(hosts=1000, controls=30):
    """Print what collecting and rendering took; return whether rendering is below the limit."""
    print("report, %d hosts x %d controls, one in three of which does not hold" % (hosts, controls))
    began = time.process_time()
    collector = large(hosts, controls)
    _line("collected, during the run", began)
    began = time.process_time()
    previous = build(collector, RUN, "Mail servers")
    _line("document of the run before", began)
    began = time.process_time()
    document = build(collector, RUN, "Mail servers", previous)
    total = _line("document", began)
    made = {}
    for name in FORMATS:
        began = time.process_time()
        made[name] = render(name, document)
        total += _line(name, began, len(made[name]))
    print(
        "  %-30s %7.2f s, limit %d s%s"
        % ("rendered", total, LIMIT_SECONDS, "" if total < LIMIT_SECONDS else ": TOO SLOW"),
        flush=True,
    )
    _browse(made["html"])
    return total < LIMIT_SECONDS


def _line(name, began, size=None):
    took = time.process_time() - began
    print("  %-30s %7.2f s%s" % (name, took, "" if size is None else "  %9.1f KiB" % (size / 1024.0)), flush=True)
    return took


def _browse(html):
    program = chromium()
    if program is None:
        print("  NOT OPENED: Chromium is not installed")
        return
    directory = Path(tempfile.mkdtemp(prefix="rescue-bench-"))
    try:
        (directory / "report.html").write_bytes(html)
        with Browser(program) as browser:
            for width in (390, 1280):
                took = browser.open(directory / "report.html", width)
                # From the click on a closed page until it is drawn.
                opened = browser.value(
                    "new Promise(done => { const began = performance.now();"
                    " document.querySelectorAll('details.page')[5].open = true;"
                    " requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - began))); })"
                )
                print(
                    "  opened in Chromium, %4d pixels %6.2f s, a page of hosts in %.2f s" % (width, took, opened / 1000)
                )
    finally:
        shutil.rmtree(directory)
