"""Time and memory of the worst inputs: `python -m tests.fuzz.worst` prints a table, `--write` puts it into the page.

Each is a command of its own, as a person runs it; time is the processor's, memory the most that the process held (POSIX only).
"""

from __future__ import annotations

import gzip
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen
from tests.docs.tables import print_or_write

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "robustness.md"
BEGIN, END = "<!-- worst inputs: python -m tests.fuzz.worst --write -->", "<!-- end -->"
_MB = 1_000_000
_LINE = (
    "INFO 11-29 12:00:01 [loggers.py:236] Engine 000: Avg prompt throughput: 12.0 tokens/s, Avg generation throughput: 93.1 tokens/s, "
    "Running: 3 reqs, Waiting: 0 reqs, GPU KV cache usage: 3.1%, Prefix cache hit rate: 12.0%\n"
)


@frozen(kw_only=True)
class Worst:
    """One input: what it is, the words behind `vram` ({} is its file), and what is written into the file."""

    name: str
    words: tuple[str, ...]
    file: str = ""
    write: Callable[[Path], object] = lambda path: path.touch()
    environment: tuple[tuple[str, str], ...] = ()


def _text(text: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(text)


def _filled(line: str, size: int) -> Callable[[Path], object]:
    return lambda path: path.write_text(line * (size // len(line)))


def _zipped(path: Path) -> None:
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write((_LINE * (50 * _MB // len(_LINE))).encode())


def _config(**fields: object) -> Callable[[Path], object]:
    known = {
        "architectures": ["NobodysForCausalLM"], "model_type": "nobodys", "hidden_size": 1024, "num_hidden_layers": 8, "vocab_size": 32000,
        "num_attention_heads": 8, "num_key_value_heads": 2, "intermediate_size": 4096, "max_position_embeddings": 4096,
    }  # fmt: skip
    return _text(json.dumps({**known, **fields}))


_RECONCILE = ("reconcile", "{}", "--gpu", "H100")
_ESTIMATE = ("estimate", "{}", "--gpu", "H100")
_CHECK = ("check", "{}", "--gpu", "H100", "--offline")
_CONTAINER = "- image: vllm/vllm-openai\n  args: [--model, a/b]\n"
_SILENT = (("HF_ENDPOINT", "{silent}"),)
_BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
INPUTS: tuple[Worst, ...] = (
    Worst(name="an ordinary answer, for comparison", words=("estimate", "Qwen/Qwen3-8B", "--gpu", "H100")),
    Worst(name="a log of 50 MB, of a server at work", words=_RECONCILE, file="a.log", write=_filled(_LINE, 50 * _MB)),
    Worst(name="50 MB of lines that say nothing", words=_RECONCILE, file="a.log", write=_filled("x" * 80 + "\n", 50 * _MB)),
    Worst(name="50 MB in one line", words=_RECONCILE, file="a.log", write=_filled("vllm serve --x ", 50 * _MB)),
    Worst(name="50 MB of traces", words=_RECONCILE, file="a.log", write=_filled('  File "/x/y.py", line 3, in f\n', 50 * _MB)),
    Worst(name="a log of 50 MB, zipped", words=_RECONCILE, file="a.log.gz", write=_zipped),
    Worst(name="`/dev/zero` as a log", words=("reconcile", "/dev/zero", "--gpu", "H100")),
    Worst(name="a JSON file of 50 MB as a model", words=_ESTIMATE, file="config.json", write=_text('{"a": [' + "1," * 25 * _MB + "1]}")),
    Worst(name="a config of 100,000 nested lists", words=_ESTIMATE, file="config.json", write=_text("[" * 100_000 + "]" * 100_000)),
    Worst(name="an architecture nobody knows", words=_ESTIMATE, file="config.json", write=_config()),
    Worst(name="… that has fields of another kind of model", words=_ESTIMATE, file="config.json", write=_config(num_heads=8)),
    Worst(name="a model of 100,000 layers", words=_ESTIMATE, file="config.json", write=_config(num_hidden_layers=100_000)),
    Worst(name="a manifest of 1 MiB", words=_CHECK, file="a.yaml", write=_filled(_CONTAINER, 1_000_000)),
    Worst(name="a manifest of aliases to aliases", words=_CHECK, file="compose.yaml", write=_text(_BOMB)),
    Worst(name="a script with vLLM in each of 900 lines", words=_CHECK, file="a.sh", write=_filled("vllm serve a/b --tp 2\n", 20_000)),
    Worst(name="a command of 40,000 words that are no flags", words=_RECONCILE, file="a.md", write=_text("vllm serve " + "--x " * 40_000)),
    Worst(name="a profile file from `/dev/zero`", words=("estimate", "-p", "/dev/zero")),
    Worst(name="a model on a Hub that does not answer", words=("estimate", "nobody/knows", "--gpu", "H100"), environment=_SILENT),
)  # fmt: skip


@frozen(kw_only=True)
class Measured:
    """How it ended, with the processor's seconds, those on the clock, and MiB."""

    code: int
    processor: float
    clock: float
    mib: float


def measure(one: Worst, folder: Path, silent: str) -> Measured:
    """Run it in a process of its own."""
    file = folder / (one.file or "none")
    one.write(file)
    words = [word.format(file) for word in one.words]
    offline = {} if one.environment else {"HF_HUB_OFFLINE": "1"}
    environment = {**os.environ, **offline, **{name: value.format(silent=silent) for name, value in one.environment}}
    ended = subprocess.run(
        [sys.executable, "-S", "-c", _WATCH, sys.executable, "-m", "vram", *words],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    file.unlink()
    status, used, clock, kib = ended.stdout.split()
    return Measured(
        code=os.waitstatus_to_exitcode(int(status)), processor=float(used), clock=float(clock), mib=int(kib) / 1024
    )


#: runs its words and prints how they ended; small, since a child's memory counts from that of the process it was made from
_WATCH = """
import os, sys, time
begun = time.monotonic()
actions = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
_, status, used = os.wait4(os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=actions), 0)
print(status, used.ru_utime + used.ru_stime, time.monotonic() - begun, used.ru_maxrss)
"""


@contextmanager
def _silent_hub() -> Iterator[str]:
    """A server that takes connections and says nothing."""
    held: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: held.extend(iter(lambda: server.accept()[0], None)), daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def table() -> str:
    """Every input measured, as Markdown."""
    lines = ["| input | exit code | seconds of the processor | on the clock | MiB |", "|---|---:|---:|---:|---:|"]
    with tempfile.TemporaryDirectory() as folder, _silent_hub() as silent:
        for one in INPUTS:
            found = measure(one, Path(folder), silent)
            lines.append(f"| {one.name} | {found.code} | {found.processor:.1f} | {found.clock:.1f} | {found.mib:.0f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print_or_write(__doc__, table, PAGE, BEGIN, END)
