"""A pasted command, or a file that runs vLLM, as the page's fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vram.errors import InputError
from vram.serving import one_server, read_as, servers_in
from vram_plugins.web.state import SHOWN, changes_of

_PASTED = "command"


def told_of(body: Mapping[str, object]) -> dict[str, Any]:
    """What `text` (a command, or the content of a file called `name`) says: `set`, the fields it sets; `read_as`; `notes`.

    Of several servers `server` names one. Secrets are left out. Raises InputError, CheckpointError.
    """
    text, name, wanted = body.get("text"), body.get("name", ""), body.get("server") or None
    if not isinstance(text, str) or not isinstance(name, str) or not text.strip() or not isinstance(wanted, str | None):
        raise InputError(name=_PASTED, value=None, problem="paste a `vllm serve` command, or open a file that has one")
    if not name and "vllm" not in text.lower() and "\n" not in text.strip():
        text = f"vllm serve {text}"
    server = one_server(servers_in(text, name), name or _PASTED, wanted)
    command = server.command
    assert command is not None
    empty = dict.fromkeys((*SHOWN, "gpus"), "")  # what the command does not say is vLLM's default again
    found = {
        **empty,
        "model": command.model,
        "revision": command.revision or "",
        "vllm_version": command.vllm_version or "",
        **({"gpu": command.gpu} if command.gpu else {}),
        **changes_of(command),
    }
    notes = (*command.assumed, *command.left_out, *((server.problem,) if server.problem else ()))
    return {"set": found, "read_as": read_as(server), "notes": [note.rstrip(".") for note in notes]}
