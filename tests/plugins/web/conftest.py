import os
import threading
from pathlib import Path

import pytest

from vram_plugins.web.server import Server

CHROMIUM = os.environ.get("VRAM_CHROMIUM", "/usr/bin/chromium")
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip


@pytest.fixture(scope="session", autouse=True)
def offline():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield


@pytest.fixture(scope="session")
def server(offline):
    """The page on a free port of this machine."""
    with Server("127.0.0.1", 0) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture(scope="module")  # while it is open a loop runs, which other tests must not meet
def browser():
    """A real browser; the tests that use it are skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")
    if not Path(CHROMIUM).exists():
        pytest.skip(f"no browser at {CHROMIUM}")
    playwright.expect.set_options(timeout=15_000)
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield running
        running.close()


@pytest.fixture
def page(browser, server):
    """A page that records what it asks for and what goes wrong in it."""
    opened = browser.new_page(viewport={"width": 1440, "height": 900}, accept_downloads=True)
    opened.set_default_timeout(15_000)
    opened.asked, opened.wrong = [], []
    opened.on("request", lambda request: opened.asked.append(request.url))
    opened.on("pageerror", lambda error: opened.wrong.append(str(error)))
    yield opened
    assert not opened.wrong
    assert all(url.startswith((server.url, "blob:")) for url in opened.asked)  # nothing leaves the machine
    opened.close()
