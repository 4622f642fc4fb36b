"""The reference page of vLLM's flags, from the table that reads them (`core/vram/models/serve_flags.txt`)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from vram import vllm
from vram.models.serve_flags import Flag, serve_flags

_TAKES = {"switch": "", "one": "a value", "many": "values", "maybe": "a value or none"}


def page(written: str) -> str:
    """Every flag of 0.6 to the newest release by its effect."""
    flags = serve_flags().values()
    by_effect = {
        effect: [flag for flag in flags if flag.effect == effect] for effect in ("modelled", "same", "decides", "none")
    }
    gone = sum(flag.gone is not None for flag in flags)
    return "\n".join([
        "# Flags of `vllm serve`\n",
        written,
        f"{len(serve_flags())} flags, {gone} of which have left since 0.6.6: from vLLM's own parser and the sources of every release. "
        "*came* and *left* are the first release with the flag and the first without; an empty cell is before 0.6.6, and not yet. "
        "A command, a file, an option and an argument of the library all go through this table: "
        "a flag that its release does not have is refused as vLLM refuses it, and one of the third table gives a warning at the "
        "head of the answer (`left_out` in JSON).\n",
        "## Modelled\n",
        "They change the numbers as they change vLLM's.\n",
        _table(by_effect["modelled"]),
        "## In other words\n",
        "Each sets the argument in the last column.\n",
        _table(by_effect["same"], ("sets", lambda flag: f"`{flag.same_as}`")),
        "## Decide memory, not modelled\n",
        "An answer says that they were left out, and which way it is off.\n",
        _table(by_effect["decides"], ("without it in the answer", lambda flag: f"{flag.direction}.")),
        "## Variables of the environment that decide memory, not modelled\n",
        _variables(),
        "## No effect on the GPU's memory\n",
        _table(by_effect["none"]),
    ])  # fmt: skip


def _variables() -> str:
    with (Path(vllm.__file__).parent / "variables.txt").open(encoding="utf-8") as lines:
        rows = [line.strip().split(maxsplit=3) for line in lines if not line.startswith("#")]
    shown = [f"| `{name}` | {since} | {gone.strip('-')} | {direction}. |" for name, since, gone, direction in rows]
    return "\n".join(["| variable | came | left | without it in the answer |", "|---|---|---|---|", *shown]) + "\n"


def _table(flags: Iterable[Flag], last: tuple[str, object] | None = None) -> str:
    heads = ("flag", "takes", "came", "left", *((last[0],) if last else ()))
    rows = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    for flag in flags:
        spelt = ", ".join(f"`{one}`" for one in (flag.spelling, *flag.short))
        left = _release(flag.gone) + (f", now `{flag.instead}`" if flag.instead else "")
        cells = (spelt, "`--no-` form" if flag.negatable else _TAKES[flag.takes], _release(flag.since), left)
        rows.append(f"| {' | '.join((*cells, *((last[1](flag),) if last and callable(last[1]) else ())))} |")
    return "\n".join(rows) + "\n"


def _release(version: tuple[int, int, int] | None) -> str:
    return ".".join(map(str, version)) if version and any(version) else ""
