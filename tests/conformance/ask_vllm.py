"""Ask vLLM itself, without a GPU: parameters per rank, KV specs and its KV plan for configs of the bundled catalog.

    docs/how-to/ask-your-vllm.md says how to make the environment V
    V/bin/pip install -e .
    V/bin/python tests/conformance/ask_vllm.py --out tests/conformance/answers.jsonl

The program that `vram estimate --ask-vllm` runs (`vram_plugins/ask_vllm/child.py`) builds each model on the meta device under a
pretended GPU; one line per question is recorded. About 10 s to start, then about a second per question. What it cannot see: what
kernels do to weights after loading, and kernels that the CPU build lacks (Triton, FlashMLA), so the V1 model runner is planned for.
`docs/explanation/conformance.md` says how to compare versions.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vram_plugins.ask_vllm import child

GIB = 2**30
#: name: what the driver calls it, compute capability, total GiB as CUDA reports it
GPUS = {"h100": ("NVIDIA H100 80GB HBM3", (9, 0), 79.18), "a100": ("NVIDIA A100-SXM4-80GB", (8, 0), 79.25)}


def questions() -> Iterator[dict[str, Any]]:
    """Every shape of the catalog on one H100, every third on two and on a pipeline of two, some with an fp8 cache."""
    from vram.checkpoint.catalog import list_catalog

    shapes = {model.shape: model for model in reversed(list_catalog())}
    for number, model in enumerate(sorted(shapes.values(), key=lambda m: m.id)):
        base = {"id": model.id, "gpu": "h100", "tp": 1, "pp": 1, "args": {}, "available_gib": 24}
        yield base
        if number % 3 == 0:
            yield {**base, "tp": 2}
        if number % 6 == 1:
            yield {**base, "gpu": "a100", "tp": 4, "args": {"max_model_len": 2048}}
        if number % 6 == 3:
            yield {**base, "args": {"kv_cache_dtype": "fp8"}}


def main() -> None:
    """Answer every question, each in a forked child after one import per GPU."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", required=True)
    parser.add_argument("--timeout", type=int, default=120)
    options = parser.parse_args()
    asked = list(questions())
    with open(options.out, "w", encoding="utf-8") as out:
        for gpu in dict.fromkeys(question["gpu"] for question in asked):
            read, write = os.pipe()
            if os.fork() == 0:
                os.close(read)
                name, capability, total = GPUS[gpu]
                child.pretend({"name": name, "capability": capability, "memory_bytes": int(total * GIB)})
                with os.fdopen(write, "w") as pipe:
                    for question in asked:
                        if question["gpu"] == gpu:
                            pipe.write(_in_a_child(question, options.timeout) + "\n")
                            pipe.flush()
                os._exit(0)
            os.close(write)
            with os.fdopen(read) as pipe:
                for line in pipe:
                    out.write(line)
                    out.flush()
            os.wait()


def _in_a_child(question: dict[str, Any], timeout: int) -> str:
    import signal

    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        os.dup2(2, 1)
        signal.alarm(timeout)
        try:
            answer = {**question, **ask(question)}
        except BaseException as error:  # noqa: BLE001  whatever vLLM raises is its answer
            answer = {**question, "error": repr(error)[:200]}
        with os.fdopen(write, "w") as pipe:
            pipe.write(json.dumps(answer, default=str))
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    return text or json.dumps({**question, "error": "timed out"})


def ask(question: dict[str, Any]) -> dict[str, Any]:
    """vLLM's answer to one question."""
    sizes = {"tensor_parallel_size": question["tp"], "pipeline_parallel_size": question["pp"]}
    asked = child.Asked({"model": _folder(question["id"]), "args": {**sizes, **question["args"]}})
    built = asked.built()
    planned = asked.planned([int(question["available_gib"] * GIB)] * question["pp"])
    if "groups" in planned:
        planned["groups"] = dict(collections.Counter(layers for layers, _ in planned["groups"]))
    kept = ("vllm", "dtype", "max_model_len", "max_num_seqs", "max_num_batched_tokens")
    return {
        **{name: built[name] for name in kept},
        "parameter_bytes": [rank["parameter_bytes"] for rank in built["ranks"]],
        **{name: value for name, value in planned.items() if name != "max_model_len"},
    }


def _folder(model_id: str) -> str:
    from vram.checkpoint.catalog import find

    checkpoint = find(model_id)
    assert checkpoint is not None
    config = {k: v for k, v in checkpoint.config.raw.items() if k != "auto_map"}
    folder = tempfile.mkdtemp()
    Path(folder, "config.json").write_text(json.dumps(config))
    return folder


if __name__ == "__main__":
    main()
