"""Whatever is asked, the answer is the library's or one sentence: no traceback, no hang, nothing huge."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.plugins.programs.questions import LOG, QWEN

from vram.errors import RemoteCodeError, VramError
from vram_plugins.programs.api import Api, Request
from vram_plugins.programs.files import Files
from vram_plugins.programs.operations import Operation, operation_named, operations

WORDS = st.sampled_from(
    [
        "",
        "auto",
        "fp8",
        "half",
        "none",
        "x",
        "../x",
        "/etc/passwd",
        "~",
        "0.12.0",
        "H100",
        "nan",
        "1e9",
        "\u2028",
        "a" * 300,
    ]
)
NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False), st.integers(-2, 5000)
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, WORDS)
KEYS = st.sampled_from(
    ["model", "method", "num_speculative_tokens", "image", "backend", "text_config", "rope_theta", "mode", "a"]
)
ANY = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)
GIVEN: dict[str, dict[str, Any]] = {
    "estimate": {"model": QWEN, "gpu": "H100"},
    "plan": {"model": QWEN, "gpu": "RTX 4090"},
    "compare": {"model": QWEN, "gpus": ["H100"], "counts": [1]},
    "check": {"files": [{"name": "a.sh", "text": "vllm serve Qwen/Qwen3-8B"}], "gpu": ["H100"]},
    "reconcile": {"log": LOG},
}


def of(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Mostly what a field takes, so that more than its type is tried."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kinds = {
        "string": WORDS,
        "integer": NUMBERS,
        "number": NUMBERS,
        "boolean": st.booleans(),
        "array": st.lists(SCALARS, max_size=3),
    }
    return st.one_of(kinds.get(str(schema.get("type")), ANY), ANY)


@st.composite
def questions(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    name = draw(st.sampled_from(sorted(GIVEN)))
    fields = operation_named(name).fields()
    chosen = draw(st.lists(st.sampled_from(sorted(fields)), max_size=4, unique=True))
    return name, {**GIVEN[name], **{field: draw(of(dict(fields[field]))) for field in chosen}}


@settings(max_examples=300)
@given(questions())
def test_any_question_is_answered_or_refused_in_a_sentence(asked: tuple[str, dict[str, Any]]) -> None:
    name, question = asked
    operation = operation_named(name)
    try:
        told = json.dumps(operation.answer(operation.asked(operation.checked(question), Files())), allow_nan=False)
    except VramError as error:
        told = str(error)[:3001]
    assert told.startswith(("{", "[")) or len(told) <= 3000


@settings(max_examples=200)
@given(st.sampled_from(sorted(operations())), st.binary(max_size=60) | ANY.map(lambda one: json.dumps(one).encode()))
def test_any_body_has_a_reply(name: str, body: bytes) -> None:
    reply = Api(Files()).reply(Request(method="POST", path=f"/api/v1/{name}", body=body))
    assert reply.status in (200, 400, 422)
    json.loads(reply.content)


@settings(max_examples=200)
@given(st.sampled_from(sorted(operations())), st.text(max_size=80))
def test_any_address_has_a_reply(name: str, query: str) -> None:
    reply = Api(Files()).reply(Request(method="GET", path=f"/api/v1/{name}", query=query))
    assert reply.status in (200, 405, 422)
    json.loads(reply.content)


def test_a_model_that_needs_its_own_code_is_told_another_way() -> None:
    def needs_code(*_: object) -> None:
        raise RemoteCodeError(model="a/b", problem="needs code from its repository")

    operation = Operation(name="x", summary="", fields=dict, ask=needs_code, answer=lambda one: one)
    with pytest.raises(RemoteCodeError, match="It is not run here"):
        operation.asked({}, Files())
