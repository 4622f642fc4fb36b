"""Options shared by the commands: vLLM's flags under vLLM's names, the GPU, the workload, the policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from vram.commands.groups import BY_HAND, ENGINE, HARDWARE, MODEL, UNLISTED, WORKLOAD, option
from vram.commands.saved import saved_option
from vram.errors import InputError
from vram.models.deployment import EngineArgs, Policy, in_own_words
from vram.models.record import record_fields
from vram.models.serve_flags import serve_flags
from vram.serving.arguments import value_of

C = TypeVar("C", bound=Callable[..., Any])
_KILO = 1024

#: what a value is parsed as on the command line; a length is text, since it may be 32k or auto, and so is JSON
_PARSED = {"int": int, "float": float}


def engine_options(command: C) -> C:
    """vLLM's engine arguments, one option each."""
    for attribute in reversed([field for field in record_fields(EngineArgs).values() if field.metadata]):
        flag, kind, text = "--" + attribute.name.replace("_", "-"), str(attribute.type), attribute.metadata["help"]
        if "bool" in kind:
            command = option(ENGINE, f"{flag}/--no-{flag[2:]}", default=None, help=text)(command)
            continue
        parsed = str if attribute.name == "max_model_len" else _PARSED.get(kind.removesuffix(" | None"), str)
        flags, often = (flag, *attribute.metadata["short"]), attribute.name == "environment"
        command = option(ENGINE, *flags, attribute.name, type=parsed, default=None, multiple=often, help=text)(command)
    return option(ENGINE, "--context-k", type=int, default=None, help="Context length in 1024 tokens.")(command)


def hardware_options(command: C) -> C:
    """The GPU, its memory, and how many."""
    for decorate in reversed((
        option(HARDWARE, "--gpu", default=None, help='GPU by a name people use: H100, "A100 80GB", "RTX 4090".'),
        option(HARDWARE, "--gpus", type=int, default=None, help="Number of GPUs (tensor parallel unless said otherwise)."),
        option(
            HARDWARE, "--vram-gib", "--vram-gb", "--total-vram-gib", "gpu_memory_gib", type=float, default=None,
            help="Memory of one GPU in GiB, instead of the catalog's.",
        ),
        option(HARDWARE, "--profile", default=None, help="Overhead profile by name, e.g. hopper_80gb or generic."),
        option(HARDWARE, "--vllm-version", default=None, help="vLLM version to predict; default: the newest known."),
    )):  # fmt: skip
        command = decorate(command)
    return command


def workload_options(command: C) -> C:
    """Users, what else is on the GPUs, and the policy that decides what fits."""
    for decorate in reversed((
        option(HARDWARE, "--used-gib", type=float, default=None, help="GiB of each GPU that other processes hold at vLLM's start."),
        option(WORKLOAD, "--concurrency", "--max-active-seqs", "--batch", type=int, default=1, show_default=True, help="Requests at once."),
        option(WORKLOAD, "--headroom-gib", type=float, default=1.0, show_default=True, help="Memory that must stay free to fit."),
        option(WORKLOAD, "--fragmentation-factor", type=float, default=None, help="Factor on the KV cache need; default: the profile's."),
        option(WORKLOAD, "--overhead-gib", type=float, default=None, help="A fixed figure instead of the overhead profile."),
    )):  # fmt: skip
        command = decorate(command)
    return command


def model_options(command: C) -> C:
    """The model: an argument or --model, or dimensions by hand."""
    for decorate in reversed((
        saved_option,
        click.argument("words", metavar="[MODEL | -- vllm serve ...]", nargs=-1, type=click.UNPROCESSED),
        option(MODEL, "--model", default=None, help="Hub id, folder, config.json or GGUF file."),
        option(MODEL, "--from-file", default=None, metavar="FILE", help="A file that runs vLLM: a script, a manifest ...; - is a pipe."),
        option(MODEL, "--server", default=None, metavar="NAME", help="Which of several servers of --from-file, by name or line."),
        option(MODEL, "--model-for", multiple=True, metavar="SERVED=MODEL", help="What a path or id of the command is here."),
        option(MODEL, "--revision", default=None, help="Branch, tag or commit on the Hub."),
        option(MODEL, "--trust-remote-code", is_flag=True, help="Allow code from the model's repository to run."),
        option(BY_HAND, "--params-billion", "--params-b", type=float, default=None, help="Parameters in 10^9."),
        option(BY_HAND, "--layers", type=int, default=None, help="Decoder layers."),
        option(BY_HAND, "--kv-heads", type=int, default=None, help="Key/value heads."),
        option(BY_HAND, "--head-dim", type=int, default=None, help="Size of one head."),
        option(BY_HAND, "--hidden-size", type=int, default=None, help="Model width."),
        option(BY_HAND, "--vocab-size", type=int, default=None, help="Vocabulary."),
        option(BY_HAND, "--vision-gib", type=float, default=None, help="A tower's extra memory."),
    )):  # fmt: skip
        command = decorate(command)
    return command


def engine_arguments(options: Mapping[str, Any]) -> dict[str, Any]:
    """The engine arguments among a command's options, in the library's form. Raises InputError."""
    given = {name: options[name] for name in record_fields(EngineArgs) if options.get(name) not in (None, ())}
    if "environment" in given:
        given["environment"] = dict(_variable(text) for text in given["environment"])
    given |= {name: value for name, value in options.get(UNLISTED, {}).items() if value is not None}
    for name, value in given.items():
        if isinstance(value, str):
            known = serve_flags()[name]
            given[name] = value_of(known, tuple(value.split()) if known.takes == "many" else (value,))
    given = in_own_words(given)
    if options.get("context_k") is not None:
        given["max_model_len"] = options["context_k"] * _KILO
    return given


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InputError(name="env", value=name, problem="must be NAME=VALUE")
    return name, value


def policy_of(options: Mapping[str, Any]) -> Policy:
    """The policy among a command's options. Raises InputError."""
    return Policy(
        headroom_gib=options["headroom_gib"],
        fragmentation_factor=options["fragmentation_factor"],
        overhead_gib=options["overhead_gib"],
    )
