"""What somebody has: a command, a deployment file or a start-up log, told apart, understood, and answered."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from vram.checkpoint import find, id_named
from vram.errors import InputError, LogError
from vram.report import Markup, block_html, join, tag
from vram.serving import ReadServer, one_server, place_of, printable, read_as, servers_in
from vram.units import counted
from vram_plugins.logs.parse import parse_lines
from vram_plugins.logs.reading import lines_of
from vram_plugins.logs.records import StartupLog
from vram_plugins.web.served import fields_of, server_markup

PASTED = "pasted"  # the field of an error that is about the text
_MOST_SERVERS = 8
_PROSE = 2  # words behind a command that are neither flags nor values, from which on it is no command
_VERBS = (["serve"], ["run"], ["start"])
_MEANT = re.compile(r"unrecognized arguments: (--?[\w-]+)\S* \(did you mean (--?[\w-]+)\?\)")
_FLAGGED = re.compile(r"unrecognized arguments: (\S+)")


def told_of(body: Mapping[str, object]) -> dict[str, Any]:
    """What `text` (a command, or the content of a file called `name`) says: `set`, the fields it sets; `read_as`; `notes`.

    Of several servers `server` names one. Secrets are left out. Raises InputError, CheckpointError.
    """
    text, name = _text(body)
    wanted = body.get("server") or None
    if not isinstance(wanted, str | None):
        raise InputError(name="command", value=None, problem="names a server that is no text")
    server = one_server(_servers(text, name), name or "command", wanted)
    command = server.command
    assert command is not None
    notes = (*command.assumed, *command.left_out, *((server.problem,) if server.problem else ()))
    return {"set": fields_of(server), "read_as": read_as(server), "notes": [note.rstrip(".") for note in notes]}


def checked_markup(body: Mapping[str, object], *, local_paths: bool = True) -> Markup:
    """What was understood of `text`, what was left out and why, and the answers; `gpu` stands where the text names none.

    Raises VramError where nothing is understood, naming what it is instead.
    """
    text, name = _text(body)
    gpu = body.get("gpu")
    gpu = gpu.strip() if isinstance(gpu, str) else ""
    log = _log_in(text)
    if log is not None:
        return _reconciled(log, gpu)
    servers = _servers(text, name)
    running = [one for one in servers if one.command is not None and not _is_prose(one)]
    if not running:
        raise InputError(name=PASTED, value=None, problem=_what_it_is(text, servers))
    told = f"{counted(len(running), 'vLLM server')} in it."
    parts = [
        tag("p", told, class_="about"),
        *(
            server_markup(
                one, _as_meant(one, text, name), gpu, part=f"-{number}" if number else "", local_paths=local_paths
            )
            for number, one in enumerate(running[:_MOST_SERVERS])
        ),
    ]
    if len(running) > _MOST_SERVERS:
        parts.append(tag("p", f"{len(running) - _MOST_SERVERS} more are left out; the command line's check has all."))
    return join((*parts, _passed_over(one for one in servers if one.command is None)))


def _text(body: Mapping[str, object]) -> tuple[str, str]:
    text, name = body.get("text"), body.get("name", "")
    if not isinstance(text, str) or not isinstance(name, str) or not text.strip():
        raise InputError(
            name=PASTED, value=None, problem="paste a command, a deployment file or a start-up log, or open a file"
        )
    return text, name


def _servers(text: str, name: str) -> tuple[ReadServer, ...]:
    """Every server; a line that begins with a model is what stands behind `vllm serve`. Raises VramError."""
    bare = text.strip()
    first = bare.split(maxsplit=1)[0]
    if not name and "\n" not in bare and "vllm" not in bare.lower():
        flags = all(word.startswith("-") for word in bare.split()[1:2])
        if flags and not first.startswith("-") and ("/" in first.strip("./~") or find(first) or id_named(first)):
            bare = f"vllm serve {bare}"
    return servers_in(bare if bare.startswith("vllm serve") else text, name)


def _as_meant(server: ReadServer, text: str, name: str) -> ReadServer | None:
    """The same server with the flags that may be meant in place of misspelt ones; None where that is not known."""
    meant = _MEANT.findall(" ".join(server.command.refusals) if server.command else "")
    if not meant:
        return None
    for wrong, right in meant:
        text = re.sub(rf"(?<!\S){re.escape(wrong)}(?![\w-])", right, text)
    same = [
        one
        for one in _servers(text, name)
        if (one.found.line, one.found.name) == (server.found.line, server.found.name)
    ]
    return same[0] if len(same) == 1 and same[0].command and not same[0].problem else None


def _is_prose(server: ReadServer) -> bool:
    """Whether the words behind `vllm serve` are a sentence."""
    assert server.command is not None
    words = [found[1] for one in server.command.refusals if (found := _FLAGGED.match(one))]
    return sum(not word.startswith("-") for word in words) >= _PROSE


def _what_it_is(text: str, servers: Iterable[ReadServer]) -> str:
    """Why nothing was read, naming what was found instead."""
    servers = tuple(servers)
    for one in servers:
        if one.command is not None:
            return f"this reads as a sentence, not as a command: “{printable(text.strip())[:80]}”"
        if one.found.problem:
            return (
                f"{place_of(one) or 'it'} {one.found.problem}{', not vLLM' if one.found.status == 'not_vllm' else ''}"
            )
    words = text.split()
    program = words[0] if "\n" not in text.strip() and re.fullmatch(r"[\w./-]+", words[0]) else ""
    if program and (any(word.startswith("-") for word in words[1:]) or words[1:2] in _VERBS):
        near = "; `vllm serve` may be meant" if get_close_matches(program.lower(), ["vllm"], cutoff=0.75) else ""
        return f"this is a command of {program!r:.40}, not of vLLM{near}"
    return "nothing in it runs vLLM, and it has none of the lines that vLLM prints when it starts"


def _passed_over(servers: Iterable[ReadServer]) -> Markup:
    items = [tag("li", f"{place_of(one) or 'one'} {one.found.problem or 'is not understood'}.") for one in servers]
    return join((tag("h2", "Left out"), tag("ul", *items, class_="notes"))) if items else Markup()


def _log_in(text: str) -> StartupLog | None:
    """The log, where the text has lines of one."""
    try:
        log = parse_lines(lines_of(io.BytesIO(text.encode())), path=PASTED)
    except LogError:
        return None
    return log if any(start.readings or start.failures or start.ready for start in log.starts) else None


def _reconciled(log: StartupLog, gpu: str) -> Markup:
    from vram_plugins.reconcile.document import reconciliation_document
    from vram_plugins.reconcile.question import Given
    from vram_plugins.reconcile.reconcile import reconcile_log

    found = reconcile_log(log, Given())
    if found.gpu is None and gpu:
        found = reconcile_log(log, Given(gpu=gpu))
    document = reconciliation_document(found)
    head = tag("p", "Read as a start-up log of vLLM.", class_="about")
    return join((head, tag("section", *(block_html(block) for block in document.blocks), class_="plan")))
