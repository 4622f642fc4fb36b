"""How fast a copy of the page is that needs no server, in headless Chromium: `python -m tests.benchmarks.static_copy`.

The copy is written, served from loopback, and opened in a browser that has seen nothing of it: when its first answers are painted, and
how long after a move of a slider or a change of a field the answer to it is. 1 is returned where the median of those is above the goal.
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
_RESTS = "() => document.querySelector('#details #command') && !document.querySelector('#details[aria-busy]')"


class Shown(NamedTuple):
    """Seconds from the navigation to what is painted: the answer that the page was written with, and Python's first."""

    written: float
    computed: float


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
            first = [first_answers(browser, url) for _ in range(chosen.runs)]
            found = {kind: later_answers(browser, url, kind) for kind in ("slider", "field")}
        print(f"a copy of {size / 2**20:.1f} MiB, Chromium {browser.version}, {os.cpu_count()} cores")
        browser.close()
    for name, taken in (("the answer it was written with", 0), ("the first of its own, of a link", 1)):
        seconds = [one[taken] for one in first]
        print(f"{name:42} {statistics.median(seconds):6.2f} s   worst of {len(seconds)}: {max(seconds):.2f} s")
    for kind, times in found.items():
        median, words = statistics.median(times), f"another answer, {len(times)} changes of a {kind}"
        print(
            f"{words:42} {median:6.0f} ms  worst {max(times):.0f}, at most {GOAL_MS:.0f}{'' if median <= GOAL_MS else '  BROKEN'}"
        )
    return int(any(statistics.median(times) > GOAL_MS for times in found.values()))


def first_answers(browser: Any, url: str) -> Shown:
    """Of a browser that has nothing of the page yet."""
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(url)
        page.locator("#verdict").wait_for()
        paints = "() => performance.getEntriesByName('first-contentful-paint').map(one => one.startTime)[0]"
        page.wait_for_function(paints)
        written = page.evaluate(paints)
    with browser.new_context() as context:
        page = context.new_page()
        page.set_default_timeout(180_000)
        page.add_init_script(f"({_FIRST})()")
        page.goto(url + LINK)
        page.wait_for_function("() => window.firstAnswer")
        assert "Qwen3-32B-AWQ" in page.locator(".about").first.text_content()
        return Shown(written / 1e3, page.evaluate("window.firstAnswer") / 1e3)


def later_answers(browser: Any, url: str, kind: str, count: int = 20) -> list[float]:
    """Milliseconds from each change to its painted answer, once what stands below the one before is there."""
    with browser.new_context() as context:
        page = context.new_page()
        page.set_default_timeout(180_000)
        page.goto(url)
        page.wait_for_function(_RESTS)
        times = []
        for number in range(count + 1):
            users = 2 + number
            change = (
                ["users-slider", 12 + 3 * number, "input"]
                if kind == "slider"
                else ["concurrency", str(users), "change"]
            )
            times.append(page.evaluate(_CHANGE, change))
            page.wait_for_function(_RESTS)
        return times[1:]  # the first reads what those after it have


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
