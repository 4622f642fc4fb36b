"""The tools, asked by the SDK's own client: the library's answers, short or whole, and sentences where there is none."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tests.plugins.programs.questions import ANSWERED, LLAMA, LOG, QWEN, REFUSED, SCRIPT, UNCLEAR, Asked

pytest.importorskip("mcp", reason="the extra [mcp] is not installed")

from mcp import Client, StdioServerParameters, stdio_client
from mcp_types import CallToolResult

import vram
from vram.errors import VramError
from vram_plugins.mcp.server import server
from vram_plugins.mcp.tools import tools
from vram_plugins.programs.files import Files, allowed

NAMES = ("estimate", "plan", "compare", "check", "reconcile", "models", "gpus")
TOOLS = [asked for asked in ANSWERED if asked.operation in NAMES]


def talk(act: Callable[[Client], Awaitable[Any]], files: Files | None = None, **given: Any) -> Any:
    async def whole() -> Any:
        async with Client(server(files or Files()), **given) as client:
            return await act(client)

    return asyncio.run(whole())


def call(name: str, arguments: dict[str, Any], files: Files | None = None) -> CallToolResult:
    return talk(lambda client: client.call_tool(name, arguments), files)


def told(name: str, arguments: dict[str, Any], files: Files | None = None) -> dict[str, Any]:
    found = call(name, arguments, files)
    assert not found.is_error, found.content
    return found.structured_content


def refused(name: str, arguments: dict[str, Any], files: Files | None = None) -> str:
    found = call(name, arguments, files)
    assert found.is_error
    assert found.structured_content is None
    return found.content[0].text


def test_there_are_seven_tools_with_schemas_that_are_schemas() -> None:
    listed = talk(lambda client: client.list_tools()).tools
    assert tuple(tool.name for tool in listed) == NAMES
    for tool in listed:
        assert tool.description
        assert tool.annotations.read_only_hint
        for schema in (tool.input_schema, tool.output_schema):
            jsonschema.Draft202012Validator.check_schema(schema)
            assert schema["type"] == "object"


def test_what_an_assistant_reads_of_them_is_short() -> None:
    listed = talk(lambda client: client.list_tools()).tools
    assert (
        sum(len(json.dumps(tool.input_schema)) + len(tool.description) for tool in listed) < 16_000
    )  # some 4,000 tokens


@pytest.mark.parametrize("asked", TOOLS, ids=lambda asked: asked.name)
def test_the_whole_answer_is_the_librarys(asked: Asked) -> None:
    found = told(asked.operation, {**asked.question, "full": True})
    assert found["full"] == json.loads(json.dumps(asked.library()))


def test_twenty_questions_are_asked() -> None:
    assert len(TOOLS) + len(REFUSED) >= 20


@pytest.mark.parametrize("asked", TOOLS, ids=lambda asked: asked.name)
def test_the_short_answer_is_short_as_its_schema_says_and_in_the_text_too(asked: Asked) -> None:
    found = call(asked.operation, asked.question)
    (schema,) = [tool.output for tool in tools(Files()) if tool.name == asked.operation]
    jsonschema.Draft202012Validator(schema).validate(found.structured_content)
    assert json.loads(found.content[0].text) == found.structured_content
    assert "full" not in found.structured_content
    assert len(found.content[0].text) < 4_000


@pytest.mark.parametrize("asked", REFUSED, ids=lambda asked: asked.name)
def test_what_the_library_refuses_is_told_in_its_words(asked: Asked) -> None:
    with pytest.raises(VramError) as own:
        asked.library()
    assert refused(asked.operation, asked.question) == str(own.value)


@pytest.mark.parametrize(
    ("name", "question", "words"),
    [(name, q, words) for name, q, _, words in UNCLEAR if isinstance(q, dict)],
    ids=lambda one: str(one)[:40],
)
def test_an_unclear_question_is_told(name: str, question: dict[str, Any], words: str) -> None:
    assert words in refused(name, question)


def test_the_short_numbers_are_those_of_the_whole() -> None:
    found = told("estimate", {"model": QWEN, "gpu": "RTX 4090", "max_model_len": 16384, "full": True})
    whole = found["full"]
    assert found["summary"] == "starts and fits: Qwen/Qwen3-8B on RTX 4090, 1 × 16,384 tokens, vLLM 0.33.0"
    assert found["gib_per_gpu"]["weights"] == round(whole["memory"]["weights"]["expected"] / 2**30, 2) == 15.27
    assert found["kv_cache_tokens"] == whole["kv_cache"]["tokens"]
    assert (found["starts"], found["fits"]) == (True, True)


def test_what_does_not_start_says_why_and_what_does() -> None:
    found = told("estimate", {"model": "Qwen/Qwen3-32B", "gpu": "RTX 4090"})
    assert not found["starts"]
    assert "weights take 61.03 GiB" in found["problem"]
    assert 1 <= len(found["changes"]) <= 3


def test_a_comparison_in_which_nothing_fits_says_what_comes_nearest() -> None:
    found = told("compare", {"model": "deepseek-ai/DeepSeek-V3", "gpus": ["L4"], "counts": [1, 2]})
    assert found["choices"] == []
    assert found["notes"] == [
        "deepseek-ai/DeepSeek-V3 fits on none of these; nearest is 2 × L4: the weights are too large"
    ]


def test_rare_arguments_stand_in_more_or_beside_it() -> None:
    plain = told(
        "estimate", {"model": QWEN, "gpu": "H100", "more": {"block_size": 32, "headroom_gib": 2}, "full": True}
    )
    assert plain == told("estimate", {"model": QWEN, "gpu": "H100", "block_size": 32, "headroom_gib": 2, "full": True})
    assert "is given twice" in refused("estimate", {"model": QWEN, "block_size": 32, "more": {"block_size": 16}})
    assert "Unknown field 'blok_size'" in refused("estimate", {"model": QWEN, "more": {"blok_size": 16}})
    assert "must be an object" in refused("estimate", {"model": QWEN, "more": 3})
    assert "full: must be true or false" in refused("estimate", {"model": QWEN, "full": "yes"})


@pytest.mark.parametrize("name", ["max-context", "nothing", ""])
def test_a_tool_that_is_not_there_is_told(name: str) -> None:
    assert refused(name, {}).startswith(f"Unknown tool '{name}'")


def test_a_bug_ends_one_call_and_not_the_session(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("vram_plugins.mcp.server.called", broken)

    async def twice(client: Client) -> list[str]:
        return [(await client.call_tool("gpus", {})).content[0].text for _ in range(2)]

    assert talk(twice) == ["This is a bug in vram; its standard error says more."] * 2
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_files_are_read_out_of_allowed_folders_alone(tmp_path: Path) -> None:
    top = tmp_path / "allowed"
    (top / "model").mkdir(parents=True)
    (top / "model" / "config.json").write_text(json.dumps(LLAMA))
    (top / "vllm.log").write_text(LOG)
    (tmp_path / "secret.log").write_text(LOG)
    files = allowed((str(top),))
    assert told("estimate", {"model": "model", "gpu": "H100"}, files)["starts"]
    assert not told("reconcile", {"path": "vllm.log", "gpu": "H100"}, files)["crashed"]
    sentences = {
        refused("reconcile", {"path": path}, files)
        for path in ("../secret.log", str(tmp_path / "secret.log"), "/nothing", "no.log")
    }
    assert sentences == {refused("reconcile", {"path": "vllm.log"})}


def test_reading_is_offered_where_something_may_be_read(tmp_path: Path) -> None:
    def offered(files: Files) -> set[str]:
        return {field for tool in tools(files) for field in tool.input["properties"]}

    assert not {"path", "paths"} & offered(Files())
    assert {"path", "paths"} <= offered(allowed((str(tmp_path),)))


def agents_task(client: Client) -> Awaitable[dict[str, Any]]:
    """Which GPU, with which flags, and is the log of its start right: each step from the answer before it."""

    async def steps() -> dict[str, Any]:
        async def ask(name: str, **arguments: Any) -> dict[str, Any]:
            found = await client.call_tool(name, arguments)
            assert not found.is_error, found.content
            return found.structured_content

        prices = {"L40S": 0.86, "H100": 2.49, "RTX 4090": 0.39}
        compared = await ask(
            "compare", model=QWEN, prices=prices, concurrency=8, max_model_len=16384, gpus=list(prices)
        )
        card = compared["choices"][0]
        planned = await ask("plan", model=QWEN, gpu=card["gpu"], gpus=card["gpus"], concurrency=8, max_model_len=16384)
        expected = await ask("estimate", command=planned["command"], gpu=card["gpu"], concurrency=8)
        sizes = expected["gib_per_gpu"]
        said = {"0.11.0": "0.33.0", "54.20": f"{sizes['kv_cache']:.2f}", "394,656": f"{expected['kv_cache_tokens']:,}"}
        start = "\n".join(line for line in LOG.splitlines() if "Maximum" not in line and "non-default" not in line)
        for word, own in said.items():
            start = start.replace(word, own)
        log = f"$ {planned['command']}\n{start}"
        wrong = await ask("reconcile", log=log, gpu=card["gpu"])  # it has the weights of one GPU
        right = await ask("reconcile", log=log.replace("15.2683", f"{sizes['weights']:.2f}"), gpu=card["gpu"])
        return {"card": card, "planned": planned, "expected": expected, "right": right, "wrong": wrong}

    return steps()


def test_an_agents_task_is_done_through_the_tools_alone() -> None:
    found = talk(agents_task)
    own = vram.compare(QWEN, gpus=["L40S", "H100", "RTX 4090"], prices={"L40S": 0.86, "H100": 2.49, "RTX 4090": 0.39},
                       concurrency=8, max_model_len=16384)  # fmt: skip
    assert (found["card"]["gpu"], found["card"]["gpus"]) == (own.cheapest[0].gpu, own.cheapest[0].gpus)
    planned = vram.plan(QWEN, gpu=own.cheapest[0].gpu, gpus=own.cheapest[0].gpus, concurrency=8, max_model_len=16384)
    assert planned.recommendation is not None
    assert found["planned"]["command"] == planned.recommendation.command
    assert found["expected"]["fits"]
    assert found["right"]["as_predicted"] is True
    assert {one["name"] for one in found["right"]["quantities"]} >= {"weights", "kv_cache_available"}
    assert found["wrong"]["as_predicted"] is False
    assert found["wrong"]["summary"] == "Qwen/Qwen3-8B: started; not as predicted: weights, other"
    assert found["right"]["summary"] == "Qwen/Qwen3-8B: started; as predicted"
    assert [one["name"] for one in found["wrong"]["quantities"] if not one["inside"]] == ["weights", "other"]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_clients_of_both_generations_are_served(mode: str) -> None:
    found = talk(lambda client: client.call_tool("estimate", {"model": QWEN, "gpu": "H100"}), mode=mode)
    assert found.structured_content["starts"]


def test_a_process_is_talked_to_over_its_standard_streams(tmp_path: Path) -> None:
    (tmp_path / "serve.sh").write_text(SCRIPT)
    program = [sys.executable, "-m", "vram", "mcp", "--allow-files", str(tmp_path)]

    async def whole() -> tuple[Any, Any]:
        started = StdioServerParameters(command=program[0], args=program[1:], env={"HF_HUB_OFFLINE": "1"})
        async with Client(stdio_client(started)) as client:
            listed = await client.list_tools()
            return listed, await client.call_tool("check", {"paths": ["serve.sh"], "gpu": ["H100"]})

    listed, found = asyncio.run(whole())
    assert tuple(tool.name for tool in listed.tools) == NAMES
    assert found.structured_content["summary"] == "1 server in 1 file: all pass"
