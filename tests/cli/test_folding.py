"""Terminals of forty characters: no line is longer, no word is cut, commands can still be copied, and programs get what they always get."""

from __future__ import annotations

import json
import os
import re
import shlex
import struct
import sys
from pathlib import Path

import pytest
from tests.command import COMMAND, vram

from vram.cli.folding import folded

LOG = Path(__file__).parents[1] / "fuzz" / "corpus" / "log" / "h100"
COMMANDS = (
    "estimate Qwen/Qwen3-8B --gpu H100 -c 8k --explain --plot",
    "estimate Qwen/Qwen3-32B --gpu L4 -c 8k",
    "additions Qwen/Qwen3-8B --gpu L40S -c 8k",
    "compare Qwen/Qwen3-8B -c 16384 --concurrency 8 --limit 0",
    "max-context Qwen/Qwen3-8B --gpu H100",
    "plan Qwen/Qwen3-8B --gpu L40S --explain --prompt-tokens 4000 --gen-tokens 500 --concurrency 8",
    "quantizations Qwen/Qwen3-14B --gpu L40S",
    "share Qwen/Qwen3-8B Qwen/Qwen3-Embedding-0.6B --gpu L40S",
    "upgrade Qwen/Qwen3-8B --gpu L40S -c 8k --from 0.10.2 --to 0.33",
    f"reconcile {LOG} --gpu H100",
    "plugins",
    "profiles",
    "models qwen3-8b",
    "estimate nobody/knows --gpu H100",
    "estimate --help",
)
_ORDERS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def on_a_terminal(words: list[str], width: int, **environment: str) -> str:
    """What is written to a terminal of that width."""
    pty = pytest.importorskip("pty", reason="needs the terminals of a Unix")
    fcntl, termios = pytest.importorskip("fcntl"), pytest.importorskip("termios")
    child, terminal = pty.fork()
    if child == 0:
        kept = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "NO_COLOR"}}
        os.execve(sys.executable, [*COMMAND, *words], {**kept, "HF_HUB_OFFLINE": "1", "TERM": "xterm", **environment})
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    written = b""
    while True:
        try:
            part = os.read(terminal, 1 << 16)
        except OSError:
            break
        if not part:
            break
        written += part
    os.waitpid(child, 0)
    os.close(terminal)
    return re.sub(r".*\r(?!\n)", "", written.decode().replace("\r\n", "\n"))


@pytest.mark.parametrize("command", COMMANDS)
def test_no_line_is_longer_than_the_terminal_and_no_word_is_cut(command: str) -> None:
    narrow = _ORDERS.sub("", on_a_terminal(shlex.split(command), 40))
    assert [line for line in narrow.split("\n") if len(line) > 40 and " " in line.strip()] == []
    if not {"--plot", "--help"} & set(command.split()):
        wide = _ORDERS.sub("", on_a_terminal(shlex.split(command), 400)).split()
        whole = {*wide, *(word.rpartition("/")[2] for word in wide), *(f"{word}:" for word in wide)}
        shown = {word for word in narrow.split() if len(word) > 2 and not set(word) & set("█·")}
        assert shown - whole == set()


@pytest.mark.parametrize("no_color", ["1", ""])
def test_no_color_means_none(no_color: str) -> None:
    for words in (
        ["estimate", "Qwen/Qwen3-8B", "--gpu", "H100"],
        ["plan", "Qwen/Qwen3-8B", "--gpu", "H100"],
        ["plugins"],
    ):
        written = on_a_terminal(words, 80, **({"NO_COLOR": no_color} if no_color else {}))
        colours = [order for order in _ORDERS.findall(written) if re.search(r"\[[0-9;]*3[0-7]m", order)]
        assert not (no_color and colours), words


@pytest.mark.parametrize("command", [c for c in COMMANDS if "help" not in c])
def test_a_pipe_gets_no_orders_to_a_terminal(command: str) -> None:
    assert _ORDERS.search(vram(*shlex.split(command), HF_HUB_OFFLINE="1").stdout) is None


def test_json_on_a_terminal_is_json() -> None:
    written = on_a_terminal(["estimate", "Qwen/Qwen3-8B", "--gpu", "H100", "--json", "--explain"], 40)
    assert json.loads(written)["schema_version"] == 1


def test_a_folded_command_is_the_same_command_to_a_shell() -> None:
    command = "  CUDA_VISIBLE_DEVICES=0 vllm serve Qwen/Qwen3-8B --max-model-len 4500 --gpu-memory-utilization 0.92 --port 8000"
    lines = folded(command, 40)
    assert all(len(line) <= 40 for line in lines.split("\n"))
    assert shlex.split(lines.replace("\\\n", "")) == command.split()


@pytest.mark.parametrize(
    ("line", "width", "lines"),
    [
        ("one two three four", 20, "one two three four"),
        ("one two three four five six", 20, "one two three four\n  five six"),
        ("  ! a warning of several words", 20, "  ! a warning of\n      several words"),
        ("a-word-that-no-line-can-hold-and another", 20, "a-word-that-no-line-can-hold-and\n  another"),
        (" " * 34 + "otherwise).", 40, " " * 29 + "otherwise)."),
        ("\x1b[31mred words that\x1b[0m go on and on", 20, "\x1b[31mred words that\x1b[0m go on\n  and on"),
        ("", 20, ""),
    ],
)
def test_lines_break_between_words(line: str, width: int, lines: str) -> None:
    assert folded(line, width) == lines
