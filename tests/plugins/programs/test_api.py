"""/api/v1 over HTTP: problems, caching, who may ask, and what is too much."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.plugins.programs.questions import LOG, QWEN, UNCLEAR

import vram
from vram_plugins.programs.api import LARGEST, Api, Request
from vram_plugins.programs.files import Files
from vram_plugins.programs.kept import Body, Kept, body_of
from vram_plugins.programs.operations import operations
from vram_plugins.programs.origins import Origins
from vram_plugins.programs.problems import kinds
from vram_plugins.web.server import Server

PASTED = [one for one in UNCLEAR if "path" not in one[1]]
Serve = Callable[..., Server]
JSON = {"Content-Type": "application/json"}
H100 = f"/api/v1/estimate?{urlencode({'model': QWEN, 'gpu': 'H100'})}"


def ask(
    server: Server, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    kind = JSON if body is not None else {}
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=30)
    try:
        connection.request(method, path, body=body, headers={**kind, **(headers or {})})
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()
    finally:
        connection.close()


def problem(
    server: Server, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    status, told, raw = ask(server, method, path, body, headers)
    assert told["Content-Type"] == "application/problem+json"
    assert told["Cache-Control"] == "no-store"
    content = json.loads(raw)
    assert content["status"] == status
    assert content["detail"].endswith((".", "?"))
    return content


@pytest.mark.parametrize(("name", "question", "field", "words"), PASTED, ids=lambda one: str(one)[:40])
def test_an_unclear_question_is_a_problem_that_names_its_field(
    server: Server, name: str, question: Any, field: str, words: str
) -> None:
    found = problem(server, "POST", f"/api/v1/{name}", json.dumps(question))
    assert (found["status"], found["field"]) == (422, field)
    assert words in found["detail"]


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "kind"),
    [
        ("GET", "/api/v1/", None, {}, "not-found"),
        ("GET", "/api/v1/nothing", None, {}, "not-found"),
        ("GET", "/api/v1/problems/nothing", None, {}, "not-found"),
        ("GET", "/api/v1/check", None, {}, "method"),
        ("PUT", "/api/v1/estimate", "{}", {}, "method"),
        ("DELETE", "/api/v1/models", None, {}, "method"),
        ("POST", "/api/v1/openapi.json", "{}", {}, "method"),
        ("POST", "/api/v1/estimate", "{", {}, "not-json"),
        ("POST", "/api/v1/estimate", "[" * 100_000, {}, "not-json"),
        ("POST", "/api/v1/estimate", '{"model":"a","model":"b"}', {}, "not-json"),
        ("POST", "/api/v1/estimate", '{"max_model_len":NaN}', {}, "not-json"),
        ("POST", "/api/v1/estimate", f'{{"max_model_len":{"9" * 5000}}}', {}, "not-json"),
        ("POST", "/api/v1/estimate", b"\xff", {}, "not-json"),
        ("POST", "/api/v1/estimate", '{"max_model_len":1e400}', {}, "input"),
        ("POST", "/api/v1/estimate", None, {**JSON, "Content-Length": str(LARGEST + 1)}, "too-large"),
        ("POST", "/api/v1/estimate", None, {**JSON, "Content-Length": "9" * 4300}, "media-type"),
        ("POST", "/api/v1/estimate", "{}", {"Content-Type": "text/plain"}, "media-type"),
        ("GET", H100 + "&a=1" * 300, None, {}, "too-large"),
        ("GET", H100 + "&gpu=L4", None, {}, "input"),
        ("GET", H100 + "&max_model_len=long", None, {}, "input"),
        ("GET", H100 + "&hf_overrides=%7B", None, {}, "input"),
        ("GET", H100, None, {"Host": "evil.example"}, "wrong-host"),
        ("GET", H100, None, {"Sec-Fetch-Site": "cross-site"}, "other-site"),
        ("GET", H100, None, {"Origin": "https://evil.example"}, "other-site"),
        ("POST", "/api/v1/estimate", "{}", {"Origin": "null"}, "other-site"),
        ("OPTIONS", "/api/v1/estimate", None, {"Origin": "https://evil.example"}, "other-site"),
    ],
    ids=lambda one: str(one)[:40],
)  # fmt: skip
def test_what_is_not_answered_is_a_problem_of_its_kind(
    server: Server, method: str, path: str, body: Any, headers: Mapping[str, str], kind: str
) -> None:
    found = problem(server, method, path, body, headers)
    assert (found["type"], found["title"]) == (f"/api/v1/problems/{kind}", kinds()[kind][1])


@pytest.mark.parametrize(("name", "field"), [("check", "paths"), ("reconcile", "path")])
def test_files_of_the_server_cannot_be_named(server: Server, name: str, field: str) -> None:
    found = problem(server, "POST", f"/api/v1/{name}", json.dumps({field: ["/etc"]}))
    assert found["detail"].startswith(f"Unknown field '{field}'.")


def test_another_method_is_told_which_there_are(server: Server) -> None:
    assert ask(server, "GET", "/api/v1/check")[1]["Allow"] == "POST, OPTIONS"


@pytest.mark.parametrize("kind", sorted(kinds()))
def test_every_kind_of_problem_is_described_where_its_type_points(server: Server, kind: str) -> None:
    status, _, raw = ask(server, "GET", f"/api/v1/problems/{kind}")
    assert status == 200
    assert json.loads(raw)["title"].endswith(".")


def test_a_bug_is_a_problem_and_no_silence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(type(operations()["models"]), "asked", broken)
    reply = Api(Files()).reply(Request(method="GET", path="/api/v1/models"))
    assert (reply.status, json.loads(reply.content)["type"]) == (500, "/api/v1/problems/bug")
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_an_answer_that_is_known_is_not_sent_again(server: Server) -> None:
    status, first, raw = ask(server, "GET", H100)
    assert (status, first["Cache-Control"]) == (200, "max-age=300")
    for known in (first["ETag"], f'"x", W/{first["ETag"]}', "*"):
        status, headers, nothing = ask(server, "GET", H100, headers={"If-None-Match": known})
        assert (status, nothing, headers["ETag"]) == (304, b"", first["ETag"])
        assert "Content-Length" not in headers
    assert ask(server, "GET", H100, headers={"If-None-Match": '"other"'})[2] == raw
    assert ask(server, "GET", H100 + "&concurrency=2")[1]["ETag"] != first["ETag"]


def test_the_head_of_an_answer_is_had_alone(server: Server) -> None:
    status, headers, raw = ask(server, "HEAD", H100)
    assert (status, raw) == (200, b"")
    assert int(headers["Content-Length"]) == len(ask(server, "GET", H100)[2])


def test_a_connection_is_kept_for_the_next_question(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=30)
    for _ in range(3):
        connection.request("GET", H100)
        assert json.loads(connection.getresponse().read())["model"]["id"] == QWEN
    assert connection.sock is not None
    connection.close()


def test_equal_questions_are_one_however_they_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    count = 0
    operation = type(operations()["estimate"])
    plain = operation.asked

    def counted(*given: Any) -> Any:
        nonlocal count
        count += 1
        return plain(*given)

    monkeypatch.setattr(operation, "asked", counted)
    api = Api(Files())
    for query in ("model=Qwen/Qwen3-8B&gpu=H100&gpus=2", "gpus=2&gpu=H100&model=Qwen%2FQwen3-8B&profile="):
        assert api.reply(Request(method="GET", path="/api/v1/estimate", query=query)).status == 200
    body = b'{"gpus": 2.0, "gpu": "H100", "profile": null, "model": "Qwen/Qwen3-8B"}'
    assert api.reply(Request(method="POST", path="/api/v1/estimate", body=body)).status == 200
    assert count == 1
    assert (
        api.reply(Request(method="GET", path="/api/v1/max-context", query="model=Qwen/Qwen3-8B&gpu=H100&gpus=2")).status
        == 200
    )
    assert count == 2


def test_a_model_that_is_edited_here_is_answered_for_anew(server: Server, model_folder: Callable[..., Any]) -> None:
    path = f"/api/v1/estimate?{urlencode({'model': str(model_folder()), 'gpu': 'H100'})}"
    _, headers, first = ask(server, "GET", path)
    assert headers["Cache-Control"] == "no-cache"
    model_folder(num_hidden_layers=8)
    assert json.loads(ask(server, "GET", path)[2])["memory"]["weights"] != json.loads(first)["memory"]["weights"]


def test_what_is_kept_is_bounded_and_forgotten() -> None:
    kept = Kept(fresh=0)
    made = []

    def make() -> Body:
        made.append(1)
        return body_of({})

    kept.answered("a", {}, make)
    kept.answered("a", {}, make)
    assert len(made) == 2
    large = Kept()
    for number in range(70):
        large.answered("a", {"n": number}, lambda: Body(content=b"x" * 2**20, tag=""))
    assert large._size <= 32 * 2**20


def test_a_page_of_an_allowed_origin_may_ask_and_reads_no_files(serve: Serve, model_folder: Callable[..., Any]) -> None:
    server = serve(origins=("https://tools.example",))
    page = {"Origin": "https://tools.example", "Sec-Fetch-Site": "cross-site"}
    status, headers, _ = ask(
        server, "OPTIONS", "/api/v1/plan", headers={**page, "Access-Control-Request-Method": "POST"}
    )
    assert (status, headers["Access-Control-Allow-Origin"]) == (204, "https://tools.example")
    assert "POST" in headers["Access-Control-Allow-Methods"]
    status, headers, _ = ask(server, "GET", H100, headers=page)
    assert (status, headers["Access-Control-Allow-Origin"], headers["Vary"]) == (200, "https://tools.example", "Origin")
    refused = problem(
        server, "GET", f"/api/v1/estimate?{urlencode({'model': str(model_folder()), 'gpu': 'H100'})}", headers=page
    )
    assert refused["type"].endswith("model-not-found")
    assert problem(server, "GET", H100, headers={**page, "Origin": "https://tools.example.evil"})["status"] == 403
    status, headers, _ = ask(server, "POST", "/api/v1/estimate", "{", headers=page)
    assert headers["Access-Control-Allow-Origin"] == "https://tools.example"  # a page may read what is wrong, too


def test_without_cors_nobody_is_told_that_they_may_read(server: Server) -> None:
    assert not [name for name in ask(server, "GET", H100)[1] if name.startswith("Access-Control")]


@pytest.mark.parametrize("origin", ["tools.example", "https://tools.example/path", "https://a b", "file://x", ""])
def test_what_is_no_origin_is_refused(origin: str) -> None:
    with pytest.raises(vram.VramError, match="cors: must be an origin"):
        Origins((origin,))


def test_too_many_questions_are_told_to_come_again(serve: Serve) -> None:
    server = serve()
    server.turn = 0.05
    for _ in range(8):
        server.answers.acquire()
    found = problem(server, "GET", H100)
    assert (found["status"], found["type"]) == (503, "/api/v1/problems/busy")
    for _ in range(8):
        server.api.large.acquire()
    large = json.dumps({"log": LOG + " " * 100_000})
    assert problem(server, "POST", "/api/v1/reconcile", large)["status"] == 503


def test_the_page_says_what_it_does_not_do(server: Server) -> None:
    assert ask(server, "PUT", "/")[0] == 501
