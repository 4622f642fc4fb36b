"""`vram mcp`: what it needs, what it imports, and who may reach it over HTTP."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from vram.cli import cli

SDK = ("mcp", "mcp_types", "pydantic", "starlette", "uvicorn", "anyio")


def test_without_the_extra_one_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in SDK or name.startswith("vram_plugins.mcp.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mcp", None)
    monkeypatch.setitem(sys.modules, "mcp.server", None)
    found = CliRunner().invoke(cli, ["mcp"])
    assert str(found.exception) == (
        "mcp: needs the Model Context Protocol's SDK; install it with: pip install 'vram-estimator[mcp]'."
    )


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["--version"],
        ["mcp", "--help"],
        ["estimate", "Qwen/Qwen3-8B", "--gpu", "H100"],
        ["web", "--help"],
        ["plugins"],
    ],
)
def test_nothing_else_imports_the_sdk(words: list[str]) -> None:
    program = (
        f"import sys\nsys.argv = ['vram', *{words!r}]\nfrom vram.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\nprint('\\nloaded', *sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not set(SDK) & set(done.stdout.splitlines()[-1].split())


def test_programs_questions_import_no_sdk() -> None:
    program = "import sys, vram_plugins.programs.api, vram_plugins.mcp.tools; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not set(SDK) & set(done.stdout.split())


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    found = CliRunner().invoke(cli, ["mcp", "--allow-files", str(tmp_path / "nothing")])
    assert str(found.exception).startswith("allow-files: is no folder")


@pytest.fixture(scope="module")
def port() -> int:
    pytest.importorskip("mcp")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def running(port: int):
    words = [sys.executable, "-m", "vram", "mcp", "--http", "--port", str(port)]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}/mcp"
    process.terminate()
    process.communicate(timeout=10)


def test_over_http_the_sdks_client_is_answered(running: str) -> None:
    from mcp import Client

    async def whole() -> object:
        async with Client(running) as client:
            return (await client.call_tool("estimate", {"model": "Qwen/Qwen3-8B", "gpu": "H100"})).structured_content

    found = asyncio.run(whole())
    assert isinstance(found, dict)
    assert found["starts"] is True


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, b"421"),
        ({"Origin": "https://evil.example"}, b"403"),
        ({"Content-Length": str(5 * 2**20)}, b"413"),
    ],
    ids=("another name", "another site", "too large"),
)
def test_over_http_others_are_not(running: str, port: int, headers: dict[str, str], status: bytes) -> None:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
    told = {
        "Host": f"127.0.0.1:{port}",
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "Content-Length": str(len(body)),
        **headers,
    }
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
        connection.sendall(f"POST /mcp HTTP/1.1\r\n{head}\r\n{body}".encode())
        assert connection.recv(4096).split()[1] == status


def test_an_address_that_is_taken_is_one_sentence() -> None:
    pytest.importorskip("mcp")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        found = CliRunner().invoke(cli, ["mcp", "--http", "--port", str(taken.getsockname()[1])])
    assert str(found.exception).startswith("host and port: cannot be listened on")
