"""What is fuzzed: each target takes bytes and returns, or an input broke the promise: an answer or a VramError, in time."""

from __future__ import annotations

import contextlib
import io
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import text_readers
from .mutations import Tape, strange_config, strange_deployment
from .promise import bounded

CORPUS = Path(__file__).with_name("corpus")


def estimate_of(config: dict[str, Any], **arguments: Any) -> None:
    """A config through the same reading as a file's, an estimate, and the JSON contract."""
    import vram
    from vram.checkpoint.json_text import parse_object
    from vram.checkpoint.quantization_block import block_of
    from vram.models.checkpoint import Checkpoint
    from vram.models.config import ModelConfig

    raw = parse_object(json.dumps(config).encode(), "config.json")
    read = ModelConfig(raw=raw)
    checkpoint = Checkpoint(id="fuzz", source="local", config=read, quantization=block_of(read))
    estimate = vram.estimate(checkpoint, **arguments)
    json.loads(json.dumps(estimate.to_dict(), allow_nan=False))
    assert estimate.memory.weights.expected >= 0
    assert all(rank.weights_bytes >= 0 for rank in estimate.ranks)


def config(data: bytes) -> str:
    """A real config made strange, in a strange deployment."""
    tape = Tape(data)
    arguments, model = strange_deployment(tape), strange_config(tape)
    return bounded(lambda: estimate_of(model, **arguments))


def raw_config(data: bytes) -> str:
    """Any bytes as the config.json of a folder."""

    def action() -> None:
        import vram

        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "config.json").write_bytes(data)
            vram.estimate(folder, gpu="H100")

    return bounded(action)


def safetensors(data: bytes) -> str:
    """Any bytes as a header with its length before it."""
    from vram.checkpoint.safetensors_header import header_length, parse_header

    def action() -> None:
        length = header_length(data[:8], len(data), "x.safetensors")
        parse_header(data[8 : 8 + length], length, len(data), "x.safetensors")

    return bounded(action)


def gguf(data: bytes) -> str:
    """Any bytes as a GGUF header."""
    from vram_plugins.gguf.header import parse_header

    return bounded(lambda: parse_header(data, len(data), "x.gguf"))


def log(data: bytes) -> str:
    """Any bytes as a start-up log, and the error's explanation."""
    from vram_plugins.logs.parse import parse_lines

    return bounded(lambda: parse_lines(data.decode(errors="replace").splitlines(), path="x.log"))


def profile(data: bytes) -> str:
    """Any text as a profile file."""
    from vram.profiles.file import parse

    return bounded(lambda: parse(Path("x.toml"), data.decode(errors="replace")))


def serve(data: bytes) -> str:
    """Any text as a pasted command, and as a compose file or manifest."""
    from vram.serving import parse_file, parse_text

    text = data.decode(errors="replace")
    first = bounded(lambda: parse_text(text))
    handle, name = tempfile.mkstemp(suffix=".yaml")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        return f"{first}, {bounded(lambda: parse_file(name))}"
    finally:
        os.unlink(name)


def command_line(data: bytes) -> str:
    """Any words behind `vram`; what click refuses is an answer."""
    import click

    from vram.cli import cli

    words = [word for word in data.decode(errors="replace").replace("\0", "").split("\n") if word != "--from-file"][:24]
    if "web" in words:
        return "left out: it serves until it is stopped"

    def action() -> None:
        quiet = io.StringIO()
        with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
            try:
                cli.main(["estimate", *words], standalone_mode=False)
            except (click.ClickException, click.exceptions.Exit, click.Abort):
                return

    return bounded(action)


_OF_TEXT = (
    text_readers.deployments, text_readers.checked, text_readers.report, text_readers.prices, text_readers.saved,
    text_readers.arguments, text_readers.ignoring, text_readers.page, text_readers.pasted, text_readers.shards,
)  # fmt: skip
TARGETS: dict[str, Callable[[bytes], str]] = {
    target.__name__: target
    for target in (config, raw_config, safetensors, gguf, log, profile, serve, command_line, *_OF_TEXT)
} | text_readers.readers()


def seeds_of(target: str) -> tuple[bytes, ...]:
    """What a target's inputs are varied from: what was found once and kept, and the files with which its readers are tested."""
    kept = tuple(path.read_bytes() for path in sorted((CORPUS / target).glob("*")))
    if target.startswith("reader-"):
        return (*kept, *text_readers.seeds_of(target.removeprefix("reader-")))
    return (*kept, *text_readers.reader_seeds()) if target in {"deployments", "checked"} else kept or (b"",)
