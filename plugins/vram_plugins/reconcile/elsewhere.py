"""Failures that the GPU's memory has no part in: flags, drivers, files, and what the host lacks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from vram.models.estimate import Estimate
from vram.models.serve_flags import serve_flags
from vram.units import GIB
from vram.vllm import format_version
from vram_plugins.logs.records import EngineStart, Failure
from vram_plugins.reconcile.records import Finding

#: what is told of a failure, from its line and from the estimate where there is one
Tells = Callable[[EngineStart, Failure, Estimate | None], Iterator[Finding]]
_STOPPED = re.compile(r"unrecognized arguments?: (\S{1,80})|argument (-\S{1,80}): ")


def said(message: str, fix: str) -> Tells:
    """The same for every start."""

    def tell(_start: EngineStart, failure: Failure, _estimate: Estimate | None) -> Iterator[Finding]:
        yield Finding(name=failure.name, message=message, fix=fix)

    return tell


def _arguments(_: EngineStart, failure: Failure, __: Estimate | None) -> Iterator[Finding]:
    """The flag at which the parser stops, and what became of it."""
    match = _STOPPED.search(failure.text)
    word = (match[1] or match[2]).split("=", 1)[0].split("/")[0] if match else ""
    flag = serve_flags().get(word.lstrip("-").replace("-", "_"))
    fix = None
    if flag is not None:
        fix = f"leave {flag.spelling} out: this release does not take it so"
        if flag.since > (0, 6, 6):
            fix = f"vLLM {format_version(flag.since)} or newer, which has {flag.spelling}, or leave it out"
        if flag.gone is not None:
            instead = f"{flag.instead} in its place" if flag.instead else f"leave {flag.spelling} out"
            fix = f"{instead}: {flag.spelling} is gone since vLLM {format_version(flag.gone)}"
    yield Finding(name=failure.name, message=f"vLLM's parser stops at {word[:80] or 'a word'}", fix=fix)


def _shared_memory(_: EngineStart, failure: Failure, estimate: Estimate | None) -> Iterator[Finding]:
    size = _gibs(estimate.host.shared_memory.high) if estimate is not None else 4
    message = "there is too little shared memory for messages between processes"
    yield Finding(name=failure.name, message=message, fix=f"docker run --ipc=host, or --shm-size {max(2, size)}g")


def _killed(_: EngineStart, failure: Failure, estimate: Estimate | None) -> Iterator[Finding]:
    message = "a process was ended from outside, mostly because the host ran out of memory"
    if estimate is None:
        yield Finding(name=failure.name, message=message, fix="more host memory, or a higher limit of the container")
        return
    likely, most = (_gibs(size) for size in (estimate.host.ram.expected, estimate.host.ram.high))
    fix = f"{likely} GiB of RAM for this deployment, {most} to be sure, besides pages of the files"
    yield Finding(name=failure.name, message=message, fix=fix)


def _gibs(size: int) -> int:
    return -(-size // GIB)


ELSEWHERE: dict[str, Tells] = {
    "arguments": _arguments,
    "profiling": said(
        "another process gave memory back while vLLM measured",
        "start again, with nothing else starting or ending there",
    ),
    "bfloat16": said("this GPU has no bfloat16", "--dtype half"),
    "no_gpu": said("the process sees no GPU", "docker run --gpus all, and check CUDA_VISIBLE_DEVICES and the driver"),
    "architecture": said("this release does not know the model's architecture", "a newer vLLM, or a fork that has it"),
    "gated": said("the model's files are gated", "HF_TOKEN in the environment, of an account that was granted access"),
    "shared_memory": _shared_memory,
    "killed": _killed,
    "validation": said("vLLM refuses the configuration in the words above", "what these words say"),
}
