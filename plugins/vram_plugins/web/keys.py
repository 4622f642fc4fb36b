"""The page's address: which keys it may have, under which other names they are known, and links to other states."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from functools import lru_cache
from urllib.parse import urlencode

from vram.errors import InputError, UnknownNameError
from vram.models.deployment import EngineArgs
from vram.models.record import record_fields
from vram_plugins.web.fields import ALL, SIZES, VIEWS

ADDRESS = "address"  # the field of an error that is about the address
TRUE = frozenset({"1", "true", "on", "yes"})


def read_address(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The state of an address: its keys under the page's names, without empty values.

    Raises UnknownNameError for a key that neither the page nor the command line has, InputError for one with two values, or a tab
    that there is not.
    """
    found: dict[str, str] = {}
    for key, value in pairs:
        name = known_keys().get(_plain(key))
        if name is None:
            raise UnknownNameError(kind=ADDRESS, name=key, known=tuple(known_keys()))
        if not value.strip():
            continue
        if found.get(name, value.strip()) != value.strip():
            raise InputError(
                name=ADDRESS, value=None, problem=f"says {key} twice, {found[name]!r} and {value.strip()!r}"
            )
        found[name] = value.strip()
    if found.get("view", "") not in VIEWS:
        raise InputError(name="view", value=found["view"], problem=f"must be one of {', '.join(filter(None, VIEWS))}")
    return canonical(found)


def canonical(state: Mapping[str, str]) -> dict[str, str]:
    """The state with each thing said once, in the page's fields.

    Parallelism over tensors alone is the number of GPUs, as on the command line; what has no field is another flag.
    """
    found = {name: value for name, value in state.items() if value and name in ALL}
    further = [flag_word(name, shlex.quote(value)) for name, value in state.items() if value and name not in ALL]
    if further:
        found["flags"] = " ".join((*filter(None, (found.get("flags"),)), *further))
    sizes = {name for name in SIZES if name in found and found[name] != "1"}
    size = found.get("tensor_parallel_size")
    if sizes <= {"tensor_parallel_size"} and found.get("gpus", size or "1") == (size or "1"):
        given = size is not None or "pipeline_parallel_size" in found
        for name in SIZES[:2] if given else ():
            found.pop(name, None)
        if given:
            found.pop("gpus", None)
            if size not in (None, "1"):
                found["gpus"] = str(size)
    return {name: found[name] for name in ALL if name in found}


def flag_word(name: str, text: str) -> str:
    """An engine argument as a word of `vllm serve`; of a switch `text` says whether it is on."""
    flag = "--" + name.replace("_", "-")
    if "bool" in str(record_fields(EngineArgs)[name].type):
        return flag if text.lower() in TRUE else flag.replace("--", "--no-", 1)
    return f"{flag}={text}"


@lru_cache(maxsize=1)
def known_keys() -> Mapping[str, str]:
    """Every key, and the field that it stands for: the page's names, the engine's arguments, the command line's spellings."""
    import click

    from vram.commands import engine_options, hardware_options, model_options, workload_options

    asking = model_options(hardware_options(engine_options(workload_options(lambda **_: None))))
    names = {name: name for name in (*ALL, *record_fields(EngineArgs))}
    for option in click.command("ask")(asking).params:
        if option.name in names:
            names |= {_plain(spelling): option.name for spelling in option.opts}
    return names


def link(state: Mapping[str, str], changes: Mapping[str, str] | None = None) -> str:
    """The address of a state with some changes, of which an empty one takes a field away."""
    return "?" + urlencode(canonical({**state, **(changes or {})}), safe="/:,")


def _plain(key: str) -> str:
    return key.strip().lstrip("-").replace("-", "_").lower()
