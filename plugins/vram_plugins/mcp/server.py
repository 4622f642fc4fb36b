"""The tools behind the protocol, by the official SDK."""

from __future__ import annotations

import json
import sys
import traceback
from functools import partial
from typing import Any

import anyio
from mcp.server import Server
from mcp_types import CallToolRequestParams, CallToolResult, ListToolsResult, TextContent, Tool, ToolAnnotations

from vram import __version__
from vram.errors import VramError
from vram_plugins.mcp.tools import called, tools
from vram_plugins.programs.files import Files

_AT_ONCE = 4
_INSTRUCTIONS = (
    "Predicts from a model's config alone, before any GPU is rented, whether vLLM starts a model on a GPU, what it holds, and how to run "
    "it. Which GPU: compare. Which flags: plan. One deployment: estimate. A start-up log or crash: reconcile. Deployment files: check. "
    "Answers are short; `full` adds the whole JSON. What is not understood is refused with a sentence that says what to do next."
)


def server(files: Files) -> Server[Any]:
    """A server with every tool; `files` says which of this machine's may be read."""
    turns = anyio.CapacityLimiter(_AT_ONCE)
    listed = ListToolsResult(tools=[_tool(one.name, one.summary, one.input, one.output) for one in tools(files)])

    async def list_tools(*_: object) -> ListToolsResult:
        return listed

    async def call_tool(_: object, asked: CallToolRequestParams) -> CallToolResult:
        answer = partial(_answered, asked.name, asked.arguments or {}, files)
        return await anyio.to_thread.run_sync(answer, limiter=turns)

    return Server(
        "vram",
        version=__version__,
        title="vram: GPU memory of vLLM",
        instructions=_INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def _tool(name: str, summary: str, given: Any, answered: Any) -> Tool:
    asks_the_hub = name not in ("models", "gpus")
    hints = ToolAnnotations(
        read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=asks_the_hub
    )
    return Tool(name=name, description=summary, input_schema=given, output_schema=answered, annotations=hints)


def _answered(name: str, arguments: dict[str, Any], files: Files) -> CallToolResult:
    """The answer, or one sentence of what is wrong with the question."""
    try:
        found = called(name, arguments, files)
    except VramError as error:
        return _refused(str(error))
    except Exception:  # noqa: BLE001 a bug must not end the session; the traceback goes to the terminal
        traceback.print_exc(file=sys.stderr)
        return _refused("This is a bug in vram; its standard error says more.")
    return CallToolResult(content=[TextContent(text=json.dumps(found, ensure_ascii=False))], structured_content=found)


def _refused(sentence: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(text=sentence)], is_error=True)
