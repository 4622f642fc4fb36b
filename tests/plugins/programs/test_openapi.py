"""The document of /api/v1 is valid, says all that the command line takes, and a client made of it alone gets the library's answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from tests.plugins.programs.client import Client, ProblemError
from tests.plugins.programs.questions import ANSWERED, QWEN, Asked

from vram.cli import cli
from vram.models.deployment import ENGINE_DEFAULTS
from vram.models.serve_flags import serve_flags
from vram_plugins.programs.fields import engine_fields, is_asked
from vram_plugins.programs.openapi import document
from vram_plugins.programs.operations import operations
from vram_plugins.web.server import Server


@pytest.fixture(scope="module")
def client(server: Server) -> Client:
    return Client(server.server_address[1])


def test_the_document_is_valid_openapi() -> None:
    assert document()["openapi"].startswith("3.1.")
    assert list(OpenAPIV31SpecValidator(document()).iter_errors()) == []


def _schemas(part: object) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict):
        yield part
    for one in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from _schemas(one)


def test_it_is_written_as_generators_of_clients_need_it() -> None:
    # openapi-python-client leaves out what has a list without items, or a parameter that is no schema
    assert [one for one in _schemas(document()) if one.get("type") == "array" and "items" not in one] == []
    assert [name for name, one in document()["components"]["parameters"].items() if "schema" not in one] == []
    names = [told["operationId"] for methods in document()["paths"].values() for told in methods.values()]
    assert len(names) == len(set(names)) == 16


def test_it_has_every_question() -> None:
    names = ["estimate", "plan", "compare", "max-context", "max-concurrency", "check", "reconcile", "models", "gpus"]
    assert (
        [f"/api/v1/{name}" for name in names]
        == list(document()["paths"])
        == [f"/api/v1/{name}" for name in operations()]
    )


@pytest.mark.parametrize("asked", ANSWERED, ids=lambda asked: asked.name)
def test_a_client_made_of_it_gets_the_librarys_answers(client: Client, asked: Asked) -> None:
    name = asked.operation.replace("-", "_")
    found = getattr(client, name)(**asked.question)
    assert found == json.loads(json.dumps(asked.library()))
    if f"ask_{name}" in client.operations:  # the same by POST
        assert getattr(client, f"ask_{name}")(**asked.question) == found


def test_it_is_told_what_is_wrong_as_the_document_says(client: Client) -> None:
    with pytest.raises(ProblemError) as refused:
        client.estimate(model=QWEN, gpu="Voodoo 3")
    assert (refused.value.told["type"], refused.value.told["field"]) == ("/api/v1/problems/unknown-name", "gpu")


#: options that are told in another way: what a list of a comparison is, what is pasted, and where its answer goes
TOLD_OTHERWISE = {
    "estimate": {"ask_vllm", "cross_check", "plot"},
    "compare": {"quantization", "kv_cache_dtype", "tensor_parallel_size", "server"},
    "check": {"exclude", "offline", "form", "output", "allow_unknown"},
}


@pytest.mark.parametrize(
    "name", ["estimate", "plan", "compare", "max-context", "max-concurrency", "check", "reconcile"]
)
def test_every_option_of_the_command_is_a_field(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    options = {one.name for one in command.params if isinstance(one, click.Option) and is_asked(one)}
    options -= TOLD_OTHERWISE.get(name, set())
    assert options <= set(operations()[name].fields())


def test_every_flag_of_vllm_that_decides_memory_is_a_field() -> None:
    deciding = {flag.name for flag in serve_flags().values() if flag.effect in ("same", "decides")}
    assert {*ENGINE_DEFAULTS, *deciding} == set(engine_fields())


def test_every_field_says_what_it_is() -> None:
    silent = [
        (operation.name, name)
        for operation in operations().values()
        for name, field in operation.fields().items()
        if not field.get("description")
    ]
    assert silent == []


def test_nothing_is_offered_that_runs_code_or_writes_a_file() -> None:
    fields = {name for operation in operations().values() for name in operation.fields()}
    assert not {name for operation in operations().values() for name in operation.pasted_fields()} & {"path", "paths"}
    assert not fields & {"trust_remote_code", "ask_vllm", "save", "output", "from_file", "html"}
