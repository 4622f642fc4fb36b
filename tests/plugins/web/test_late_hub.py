"""A Hub that is slow: the page answers from the catalog, and shows the Hub's own answer when that is there."""

import contextlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

import pytest

from vram.ask.asking import _opened
from vram.checkpoint import awaited, find
from vram_plugins.programs.api import Api, Request
from vram_plugins.programs.files import Files
from vram_plugins.web.routes import got

QUESTION = "model=Qwen/Qwen3-8B&revision=main&gpu=RTX+4090&max_model_len=16384"


class Hub(BaseHTTPRequestHandler):
    """Says nothing until `speaks`; then that the model has 12 layers, and one revision."""

    speaks = threading.Event()
    asked: list[str] = []  # noqa: RUF012

    def do_GET(self):
        self.asked.append(self.path)
        self.speaks.wait(30)
        config = json.dumps({**find("Qwen/Qwen3-8B").config.raw, "num_hidden_layers": 12}).encode()
        there = self.path.endswith("/resolve/main/config.json")
        self.send_response(200 if there else 404)
        self.send_header("X-Repo-Commit", "0" * 40)
        if "/main/" not in self.path and "/" + "0" * 40 + "/" not in self.path:
            self.send_header("X-Error-Code", "RevisionNotFound")
        self.send_header("Content-Length", str(len(config) if there else 0))
        self.end_headers()
        with contextlib.suppress(OSError):  # who asked may have gone
            self.wfile.write(config if there else b"")

    def log_message(self, format, *args):
        pass


@pytest.fixture
def hub(monkeypatch):
    """A slow Hub that this process asks; `speaks` lets it answer."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as running:
        running.daemon_threads = True
        threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        monkeypatch.delenv("HF_HUB_OFFLINE")
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{running.server_address[1]}")
        monkeypatch.setattr(awaited, "HUB", awaited.Awaited())
        monkeypatch.setattr(Hub, "speaks", threading.Event())
        monkeypatch.setattr(Hub, "asked", [])
        _opened.cache_clear()
        yield Hub
        Hub.speaks.set()
        running.shutdown()
    _opened.cache_clear()


def answered():
    """Wait until what the Hub said is here."""
    end = time.monotonic() + 10
    while not all(one.is_over.is_set() for one in awaited.HUB._asked.values()):
        assert time.monotonic() < end
        time.sleep(0.02)


def test_the_page_answers_from_the_catalog_and_then_shows_what_the_hub_says(page, server, hub):
    page.goto(f"{server.url}?{QUESTION}")

    expect_standing(page, 1)
    page.locator("#max_model_len").focus()
    before = page.locator("#answer").inner_text()
    hub.speaks.set()

    expect_standing(page, 0)
    assert page.locator("#answer").inner_text() != before
    assert page.locator("#told").text_content().startswith("The Hub has answered. Qwen3-8B on RTX 4090")
    assert page.evaluate("document.activeElement.id") == "max_model_len"
    assert "max_model_len=16384" in page.url
    assert page.evaluate("history.length") == 2  # a blank page and this one: nothing to go back from
    page.locator("#details #command").wait_for()


def test_who_asks_something_else_meanwhile_is_not_disturbed(page, server, hub):
    page.goto(f"{server.url}?{QUESTION}")
    expect_standing(page, 1)
    page.locator("#model").fill("Qwen/Qwen3-4B")
    page.locator("#revision").evaluate("one => { one.value = ''; }")
    hub.speaks.set()
    page.wait_for_timeout(2500)

    assert page.locator("#model").input_value() == "Qwen/Qwen3-4B"
    assert page.locator("#told").text_content() == ""
    expect_standing(page, 1)  # the old answer, until the question is asked


def test_a_revision_that_the_hub_does_not_have_is_told_late(page, server, hub):
    page.goto(f"{server.url}?{QUESTION.replace('=main', '=v9')}")
    expect_standing(page, 1)
    hub.speaks.set()

    page.locator(".error").wait_for()
    assert "no revision 'v9'" in page.locator(".error").text_content()
    assert page.locator("#verdict").count() == 0


@pytest.mark.parametrize("view", ["gpus", "run"])
def test_the_tables_say_it_too_and_follow(page, server, hub, view):
    page.goto(f"{server.url}?{QUESTION}&view={view}")
    expect_standing(page, 1)
    hub.speaks.set()

    expect_standing(page, 0)
    assert page.locator("#answer table, #answer h1").count() > 0


def test_programs_are_told_that_an_answer_stands_in_and_never_keep_it(hub):
    api = Api(Files())
    asked = Request(method="GET", path="/api/v1/estimate", query=QUESTION)

    first = api.reply(asked)

    assert json.loads(first.content)["model"]["stands_in"]
    assert first.headers["Cache-Control"] == "no-cache"
    hub.speaks.set()
    answered()
    later = api.reply(
        Request(method="GET", path=asked.path, query=QUESTION, headers={"if-none-match": first.headers["ETag"]})
    )
    assert (later.status, json.loads(later.content)["model"]["source"]) == (200, "hub")
    assert later.headers["Cache-Control"] == "max-age=300"


def test_visitors_who_name_many_revisions_begin_few_readings(hub):
    most = 0
    for number in range(12):
        reply = got("/api/answer", parse_qsl(f"model=Qwen/Qwen3-8B&gpu=H100&revision=r{number}"), local_paths=False)
        assert "standing" in json.loads(reply.content)["html"]
        most = max(most, sum(one.name == "vram-hub" for one in threading.enumerate()))

    assert most == awaited.MOST_AT_ONCE


def expect_standing(page, count):
    from playwright.sync_api import expect

    expect(page.locator("#answer .standing")).to_have_count(count)
