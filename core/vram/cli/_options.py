"""Options shared by the commands: vLLM's flags under vLLM's names, the GPU, the workload, the policy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from vram.cli._groups import BY_HAND, ENGINE, HARDWARE, MODEL, WORKLOAD, option
from vram.cli._saved import saved_option
from vram.errors import InputError
from vram.models.deployment import EngineArgs, Policy
from vram.models.record import record_fields
from vram.serving.numbers import parse_count

C = TypeVar("C", bound=Callable[..., Any])
_KILO = 1024

#: engine arguments the command line takes as plain options: (flags, parameter type, help)
_ENGINE: tuple[tuple[tuple[str, ...], Any, str], ...] = (
    (("--tensor-parallel-size", "--tp", "-tp"), int, "GPUs each layer is divided over."),
    (("--pipeline-parallel-size", "--pp", "-pp"), int, "Groups of GPUs the layers are divided over."),
    (("--data-parallel-size", "--dp", "-dp"), int, "Independent replicas."),
    (("--decode-context-parallel-size", "--dcp"), int, "Ranks one request's KV cache is divided over."),
    (("--dtype",), str, "auto, half, float16, bfloat16, float32."),
    (("--quantization", "--quant", "-q"), str, "A quantization method, where the checkpoint does not say."),
    (("--kv-cache-dtype", "--kv-dtype"), str, "auto, fp8, fp8_e4m3, fp8_e5m2, bfloat16 ..."),
    (("--max-model-len", "--max-seq-len", "-c"), str, "Context length in tokens; -1 or auto lets vLLM fit it."),
    (("--max-num-seqs",), int, "Most sequences in one batch."),
    (("--max-num-batched-tokens",), int, "Most tokens in one batch."),
    (("--gpu-memory-utilization",), float, "Share of the GPU's memory vLLM may use."),
    (("--kv-cache-memory-bytes",), int, "A fixed KV cache pool in bytes."),
    (("--num-gpu-blocks-override",), int, "A fixed number of KV blocks."),
    (("--block-size",), int, "Tokens per KV block."),
    (("--cpu-offload-gb",), float, "GiB of weights kept in host memory."),
    (("--max-loras",), int, "LoRA adapters in one batch."),
    (("--max-lora-rank",), int, "Largest LoRA rank."),
    (("--lora-dtype",), str, "dtype of LoRA weights."),
    (("--swap-space",), float, "Host swap space in GiB (vLLM before 0.18)."),
    (("--mamba-cache-dtype",), str, "dtype of convolution states."),
    (("--mamba-ssm-cache-dtype",), str, "dtype of recurrent states."),
    (("--speculative-config",), str, "JSON, as vLLM takes it."),
    (("--limit-mm-per-prompt",), str, "JSON, as vLLM takes it."),
    (("--mm-encoder-tp-mode",), str, "weights or data."),
    (("--runner",), str, "auto, generate, pooling or draft."),
)
_SWITCHES: tuple[tuple[str, str], ...] = (
    ("--enable-expert-parallel/--no-enable-expert-parallel", "Divide experts, not their width, over GPUs."),
    ("--enforce-eager/--no-enforce-eager", "No CUDA graphs."),
    ("--enable-lora/--no-enable-lora", "Reserve LoRA slots."),
    ("--fully-sharded-loras/--no-fully-sharded-loras", "Divide all of LoRA's computation over the ranks."),
    ("--disable-sliding-window/--no-disable-sliding-window", "No context beyond the sliding window."),
    ("--enable-chunked-prefill/--no-enable-chunked-prefill", "Chunked prefill."),
    ("--enable-prefix-caching/--no-enable-prefix-caching", "Prefix caching."),
    ("--disable-hybrid-kv-cache-manager/--no-disable-hybrid-kv-cache-manager", "One KV group for every layer kind."),
    ("--language-model-only/--no-language-model-only", "Leave vision and audio towers out."),
    ("--skip-mm-profiling/--no-skip-mm-profiling", "Do not profile the vision or audio encoder."),
)
_JSON_VALUED = ("speculative_config", "limit_mm_per_prompt")


def engine_options(command: C) -> C:
    """vLLM's engine arguments."""
    for flag, text in reversed(_SWITCHES):
        command = option(ENGINE, flag, default=None, help=text)(command)
    for flags, kind, text in reversed(_ENGINE):
        command = option(ENGINE, *flags, type=kind, default=None, help=text)(command)
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
    """Users and the policy that decides what fits."""
    for decorate in reversed((
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
        option(MODEL, "--from-file", default=None, help="A script, compose file or Kubernetes manifest that runs vLLM."),
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


def engine_arguments(options: dict[str, Any]) -> dict[str, Any]:
    """The engine arguments among a command's options, in the library's form. Raises InputError."""
    import json

    names = record_fields(EngineArgs)
    given = {k: v for k, v in options.items() if k in names and v is not None}
    for name in _JSON_VALUED:
        if isinstance(given.get(name), str):
            try:
                given[name] = json.loads(given[name])
            except (ValueError, RecursionError):
                raise InputError(name=name, value=given[name], problem="is not JSON") from None
    length = given.get("max_model_len")
    if length is not None:
        given["max_model_len"] = parse_count("max_model_len", length)
    if options.get("context_k") is not None:
        given["max_model_len"] = options["context_k"] * _KILO
    return given


def policy_of(options: dict[str, Any]) -> Policy:
    """The policy among a command's options. Raises InputError."""
    return Policy(
        headroom_gib=options["headroom_gib"],
        fragmentation_factor=options["fragmentation_factor"],
        overhead_gib=options["overhead_gib"],
    )
