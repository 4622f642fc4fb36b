"""How fast a copy of the page is that needs no server, in headless Chromium: `python -m tests.benchmarks.static_copy`.

The copy is written, served from loopback, and opened in a browser that has seen nothing of it: when its first answers are painted, and
how long after a move of a slider or a change of a field the answer to it is. Beside the clock stands the work of the page's own processes
(all their threads): on an idle machine a later answer's work is its time. 1 is returned where the median of that is above the goal.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

GOAL_MS = 150.0
CHROMIUM = os.environ.get("VRAM_CHROMIUM", "/usr/bin/chromium")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
    "--no-first-run",
)
LINK = "?model=Qwen/Qwen3-32B-AWQ&gpu=RTX+4090&gpus=2&max_model_len=16384"
#: notes when the first answer of Python's own is painted: that of a link, as the page was written without it
_FIRST = """() => new MutationObserver((_, seen) => {
  if (!document.querySelector("#answer .card.good, #answer .card.bad") || window.vramAsk === undefined) return;
  seen.disconnect();
  requestAnimationFrame(() => setTimeout(() => { window.firstAnswer = performance.now(); }));
}).observe(document, { childList: true, subtree: true })"""
#: one change, and the milliseconds from its event to the painted answer
_CHANGE = """([id, value, kind]) => new Promise((done) => {
  const one = document.getElementById(id), start = performance.now();
  const seen = new MutationObserver(() => {
    seen.disconnect();
    requestAnimationFrame(() => setTimeout(() => done(performance.now() - start)));
  });
  seen.observe(document.getElementById("answer"), { childList: true });
  one.value = value;
  one.dispatchEvent(new Event(kind, { bubbles: true }));
})"""
_PAINTED = "performance.getEntriesByName('first-contentful-paint').map(one => one.startTime)[0]"
_RESTS = "() => document.querySelector('#details #command') && !document.querySelector('#details[aria-busy]')"


class Taken(NamedTuple):
    """Milliseconds on the clock, and of work."""

    clock: float
    work: float


def main() -> int:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--pyodide", type=Path, help="the folder of the npm package; without it npm is asked")
    options.add_argument("--runs", type=int, default=5)
    chosen = options.parse_args()
    from playwright.sync_api import sync_playwright

    from vram_plugins.web.export import export

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        size = sum(file.stat().st_size for file in export(Path(folder) / "site", chosen.pyodide))
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        with served(Path(folder) / "site") as url:
            rows = {
                "the answer it was written with": [written_answer(browser, url) for _ in range(chosen.runs)],
                "the first of its own, of a link": [first_answer(browser, url) for _ in range(chosen.runs)],
            }
            later = {f"20 changes of a {kind}": later_answers(browser, url, kind) for kind in ("slider", "field")}
        load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
        print(f"a copy of {size / 2**20:.1f} MiB, Chromium {browser.version}, {os.cpu_count()} cores, load {load}")
        browser.close()
    print(f"{'medians, milliseconds':38} {'clock':>7} {'worst':>7} {'work':>7} {'at most':>8}")
    broken = False
    for name, taken in {**rows, **later}.items():
        clock, work = (statistics.median(column) for column in zip(*taken, strict=True))
        over = name in later and work > GOAL_MS
        limit = f"{GOAL_MS:.0f}" if name in later else ""
        worst = max(one.clock for one in taken)
        row = f"{name:38} {clock:7.0f} {worst:7.0f} {work:7.0f} {limit:>8}{'  BROKEN' if over else ''}"
        print(row.rstrip())
        broken = broken or over
    return int(broken)


def written_answer(browser: Any, url: str) -> Taken:
    """From the navigation of a browser that has nothing of the page to the first paint, which has an answer."""
    with browser.new_context() as context:
        page = context.new_page()
        before = worked(browser)
        page.goto(url, wait_until="commit")
        page.wait_for_function(f"() => {_PAINTED}")
        work = worked(browser) - before
        page.locator("#verdict").wait_for()
        return Taken(page.evaluate(_PAINTED), work)


def first_answer(browser: Any, url: str) -> Taken:
    """From the navigation to the answer that Python gives to a link, painted; nothing of the page is in the browser's cache."""
    with browser.new_context() as context:
        page = context.new_page()
        page.set_default_timeout(180_000)
        page.add_init_script(f"({_FIRST})()")
        before = worked(browser)
        page.goto(url + LINK)
        page.wait_for_function("() => window.firstAnswer", polling=50)
        work = worked(browser) - before
        assert "Qwen3-32B-AWQ" in page.locator(".about").first.text_content()
        return Taken(page.evaluate("window.firstAnswer"), work)


def later_answers(browser: Any, url: str, kind: str, count: int = 20) -> list[Taken]:
    """From each change to its painted answer, once what stands below the one before is there."""
    with browser.new_context() as context:
        page = context.new_page()
        page.set_default_timeout(180_000)
        page.goto(url)
        page.wait_for_function(_RESTS)
        times = []
        for number in range(count + 1):
            users = str(2 + number)
            change = (
                ["users-slider", 12 + 3 * number, "input"] if kind == "slider" else ["concurrency", users, "change"]
            )
            before = worked(browser)
            clock = page.evaluate(_CHANGE, change)
            times.append(Taken(clock, worked(browser) - before))
            page.wait_for_function(_RESTS)
        return times[1:]  # the first reads what those after it have


def worked(browser: Any) -> float:
    """Milliseconds that the threads of all pages' processes have been on a core (Linux; 0 elsewhere)."""
    told = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    pages = [one["id"] for one in told if one["type"] == "renderer"]
    stats = [path for page in pages for path in Path(f"/proc/{page}/task").glob("*/schedstat")]
    return sum(int(path.read_text().split()[0]) for path in stats) / 1e6


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A page that is closed while its files come."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Where the copy is."""
    with _Server(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as running:
        threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}/"
        running.shutdown()


if __name__ == "__main__":
    sys.exit(main())
