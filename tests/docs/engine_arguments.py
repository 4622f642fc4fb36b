"""`core/vram/models/engine_arguments.py`, written from the one table of engine arguments and flags."""

from __future__ import annotations

from vram.models.deployment import EngineArgs
from vram.models.record import record_fields
from vram.models.serve_flags import serve_flags

#: arguments of `vram.estimate` itself, which vLLM has flags for, too
_NAMED = frozenset({"model", "revision", "trust_remote_code", "gpus", "profile", "policy", "concurrency"})
_HEAD = '''"""The arguments of the library by name and type, for type checkers: `**arguments: Unpack[EstimateArguments]`.

Written by tests/docs/engine_arguments.py from `EngineArgs` and `serve_flags.txt`; `VRAM_UPDATE_DOCS=1 pytest tests/docs` writes it
anew. None is vLLM's default. Nothing of the program imports it while it runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import TypedDict

from vram.models.deployment import Policy


class EngineArguments(TypedDict, total=False):
    """vLLM's engine arguments under vLLM's names.

    The first are those that decide memory by a rule here. After them come vLLM's other flags, which change no number, or one that
    no rule here knows: the answer says so (`left_out`).
    """

'''
_TAIL = '''

class DeploymentArguments(EngineArguments, total=False):
    """What is asked about a model besides its hardware."""

    concurrency: int
    vllm_version: str | None
    policy: Policy | None
    trust_remote_code: bool
    revision: str | None


class EstimateArguments(DeploymentArguments, total=False):
    """What `vram.estimate` takes besides the model."""

    gpu: str | None
    gpu_memory_gib: float | None
    gpus: int | None
    used_gib: float | None
    profile: str | None
    ask_vllm: bool | str | PathLike[str]
'''


def engine_arguments_module() -> str:
    """The module's text."""
    fields = {name: one.type for name, one in record_fields(EngineArgs).items() if one.metadata}
    known = [f"    {name}: {kind if 'None' in kind else f'{kind} | None'}" for name, kind in fields.items()]
    flags = (flag for flag in serve_flags().values() if flag.effect != "modelled" and flag.name not in fields)
    others = [f"    {flag.name}: {_type(flag.takes)}" for flag in flags if flag.name not in _NAMED]
    return _HEAD + "\n".join([*known, *sorted(others)]) + "\n" + _TAIL


def _type(takes: str) -> str:
    return "bool | None" if takes == "switch" else "object"
