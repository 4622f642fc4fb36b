"""How each kind of case of vLLM's own tests (`vllm_cases/*.jsonl`) is asked of `vram`.

A case names the test it is from (`at`), what it asks in vLLM's words, and what the test expects. `cause` is written where
`vram` is known to answer otherwise for a reason outside its question. `answer_of` gives `vram`'s answer under the names of
the expectation; `differences` says what is not as expected.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.vllm_kv_cases import kv_answer

import vram
from vram.ask.answering import answer
from vram.ask.asking import ask
from vram.checkpoint.catalog import find
from vram.errors import VramError
from vram.estimate.cache.context import CacheContext
from vram.estimate.cache.specs import resolve_specs
from vram.models.cache import AttentionCache, CacheLayer, LatentCache
from vram.models.checkpoint import Checkpoint
from vram.models.record import evolve
from vram.plugin.manager import plugins
from vram.serving.command import parse_words
from vram.units import GIB
from vram.vllm.capture import capture_sizes
from vram.vllm.defaults import batch_defaults
from vram.vllm.versions import NEWEST, behaviour

Case = dict[str, Any]
FOLDER = Path(__file__).parent / "vllm_cases"
#: files beside config.json, by the field of a case that holds them
BESIDE = {"tokenizer": "tokenizer_config.json", "sentence_bert": "sentence_bert_config.json"}
REFUSED: Case = {"refused": True}


def cases() -> Iterator[Case]:
    """Every case, with its kind (the file's name) and its number within the file."""
    for file in sorted(FOLDER.glob("*.jsonl")):
        for number, line in enumerate(file.read_text().splitlines(), start=1):
            yield {"kind": file.stem, "number": number, **json.loads(line)}


def differences(case: Case) -> list[str]:
    """What `vram` answers otherwise than the test expects, in words; empty where they agree."""
    try:
        answer = READERS[case["kind"]](case)
    except VramError as refused:
        return [] if case.get("refused") else [f"refused: {refused}"]
    if case.get("refused"):
        return [] if answer.get("refused") else [f"not refused: {answer}"]
    if answer.get("refused"):
        return [f"refused: {answer}"]
    expected = case["expect"] if isinstance(case["expect"], dict) else {"value": case["expect"]}
    return [
        f"{name}: expected {value}, answered {answer.get(name)}"
        for name, value in expected.items()
        if answer.get(name) != (pytest.approx(value, rel=1e-9) if isinstance(value, float) else value)
    ]


def _arguments(case: Case) -> Case:
    """Words of `vllm serve`, as they are read."""
    read = parse_words(["some/model", *case["words"]]).engine_args
    return {name: read.get(name) for name in case.get("expect", {})}


def _batch_defaults(case: Case) -> Case:
    found = batch_defaults(
        behaviour(NEWEST),
        gpu_memory_bytes=case["gib"] * GIB,
        device_name=case["device"],
        capability=tuple(case["capability"]),
    )
    return {"value": [found.max_num_batched_tokens, found.max_num_seqs]}


def _capture_sizes(case: Case) -> Case:
    sizes = capture_sizes(
        NEWEST,
        max_num_seqs=case["max_num_seqs"],
        max_num_batched_tokens=case["max_num_batched_tokens"],
        capability=tuple(case["capability"]),
        query_length=1 + case["speculative"],
    ).piecewise
    expect = case["expect"]
    return {
        "largest": sizes[-1],
        "sizes": list(sizes),
        "has": [size for size in expect.get("has", ()) if size in sizes],
        "lacks": [size for size in expect.get("lacks", ()) if size not in sizes],
    }


def _configs(case: Case) -> Case:
    """A made-up checkpoint folder; refused too where a start-up check fails."""
    args = dict(case.get("args", {}))
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "config.json").write_text(json.dumps(case["config"]))
        for field, name in BESIDE.items():
            if field in case:
                Path(folder, name).write_text(json.dumps(case[field]))
        if "draft" in case:
            draft = Path(folder, "draft")
            draft.mkdir()
            (draft / "config.json").write_text(json.dumps(case["draft"]))
            args["speculative_config"] = {**args["speculative_config"], "model": str(draft)}
        question = ask(folder, gpu=case.get("gpu", "H100 80GB"), **args)
    return {"num_speculative_tokens": question.deployment.num_speculative_tokens, **_facts(answer(question))}


def _models(case: Case) -> Case:
    """A model of the catalog, with the fields that the test overrides."""
    args = dict(case.get("args", {}))
    checkpoint = _checkpoint(case["model"], args.pop("hf_overrides", {}))
    found = vram.estimate(checkpoint, gpu="H100 80GB", gpu_memory_gib=4096, **args)
    return _facts(found) | {"quantized": found.model.quantization is not None}


def _checkpoint(model: str, overrides: Case) -> Checkpoint:
    checkpoint = find(model)
    assert checkpoint is not None, model
    config = checkpoint.config
    return evolve(checkpoint, config=evolve(config, raw={**config.raw, **overrides})) if overrides else checkpoint


def _model_shapes(case: Case) -> Case:
    """What vLLM reads of a config: `ModelArchitectureConfig`."""
    spec = ask(_checkpoint(case["model"], {}), gpu="H100 80GB", gpu_memory_gib=4096).spec
    heads = [cache for run in spec.runs for cache in run.layer.caches]
    latent = [cache for cache in heads if isinstance(cache, LatentCache)]
    plain = [cache for cache in heads if isinstance(cache, AttentionCache)]
    return {
        "hidden_size": spec.hidden_size,
        "num_layers": spec.num_layers,
        "vocab_size": spec.vocab_size,
        "num_attention_heads": spec.num_attention_heads,
        "dtype": spec.dtype,
        "head_size": latent[0].kv_lora_rank + latent[0].qk_rope_head_dim if latent else plain[0].head_size,
        "num_kv_heads": plain[0].num_kv_heads if plain else 1,
    }


def _deployments(case: Case) -> Case:
    """A deployment that vLLM's CI runs on a GPU."""
    args = parse_words(["some/model", *case["words"]]).engine_args
    checkpoint = _checkpoint(case["model"], {})
    if "quantization_config" in case:
        block = json.loads((FOLDER / "quantization_configs.json").read_text())[case["quantization_config"]]
        raw = {**checkpoint.config.raw, "quantization_config": block}
        config = evolve(checkpoint.config, raw=raw)
        checkpoint = evolve(checkpoint, config=config, quantization=block, stored_bytes=None)
    verdict = vram.estimate(checkpoint, gpu=case["gpu"], gpu_memory_gib=case.get("gib"), **args).verdict
    return {"starts": verdict.starts or [check.message for check in verdict.checks if not check.passed]}


def _facts(found: vram.Estimate) -> Case:
    if not found.verdict.starts:
        return REFUSED | {"checks": [check.message for check in found.verdict.checks if not check.passed]}
    return {"max_model_len": found.deployment.max_model_len, "dtype": found.model.dtype}


def _cache_pages(case: Case) -> Case:
    """One block of a layer of attention under a KV dtype."""
    heads, size = case["heads"], case["head_size"]
    layer: CacheLayer
    if case.get("latent"):
        layer = LatentCache(kv_lora_rank=size - 64, qk_rope_head_dim=64)
    else:
        values = case.get("head_size_v", size)
        layer = AttentionCache(kind="full_attention", num_kv_heads=heads, head_size=size, head_size_v=values)
    context = CacheContext(
        behaviour=behaviour(NEWEST),
        dtype=case.get("dtype", "bfloat16"),
        kv_dtype=plugins().kv_dtypes[case["kv_cache_dtype"]],
        max_model_len=4096,
        max_num_seqs=1,
        max_num_batched_tokens=4096,
    )
    spec = resolve_specs((layer,), context)[0]
    return {"value": spec.page_bytes * case["block_size"] // spec.block_size}


def _block_sizes(case: Case) -> Case:
    return {"block_size": vram.estimate(_checkpoint(case["model"], {}), gpu=case["gpu"]).kv_cache.block_size}


READERS: dict[str, Callable[[Case], Case]] = {
    "arguments": _arguments,
    "batch_defaults": _batch_defaults,
    "block_sizes": _block_sizes,
    "cache_pages": _cache_pages,
    "capture_sizes": _capture_sizes,
    "configs": _configs,
    "deployments": _deployments,
    "kv_plans": kv_answer,
    "model_shapes": _model_shapes,
    "models": _models,
    "speculation": _configs,
}
