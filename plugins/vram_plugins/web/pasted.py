"""A pasted command, or a file that runs vLLM, as the page's fields."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping

from vram.errors import InputError
from vram.serving import parse_file, parse_text
from vram_plugins.web.state import SHOWN, changes_of


def fields_of(body: Mapping[str, object]) -> dict[str, str]:
    """The fields that `text` (a command, or the content of a file called `name`) sets. Secrets are left out.

    Raises InputError, CheckpointError.
    """
    text, name = body.get("text"), body.get("name", "")
    if not isinstance(text, str) or not isinstance(name, str) or not text.strip():
        raise InputError(
            name="command", value=None, problem="paste a `vllm serve` command, or open a file that has one"
        )
    suffix = os.path.splitext(name)[1].lower()
    if suffix in {".yaml", ".yml", ".json"}:
        with tempfile.TemporaryDirectory(prefix="vram-") as folder:
            path = os.path.join(folder, f"file{suffix}")
            with open(path, "w", encoding="utf-8", errors="replace") as stream:
                stream.write(text)
            command = parse_file(path)
    else:
        command = parse_text(text if "vllm" in text else f"vllm serve {text}")
    empty = dict.fromkeys((*SHOWN, "gpus"), "")  # what the command does not say is vLLM's default again
    found = {
        **empty,
        "model": command.model,
        "revision": command.revision or "",
        "vllm_version": command.vllm_version or "",
    }
    if command.gpus and "tensor_parallel_size" not in command.engine_args:
        found["gpus"] = str(command.gpus)
    return {**found, **changes_of(command)}
