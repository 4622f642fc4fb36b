"""Decoders with keys per head against vLLM's own answers.

`dense_answers.jsonl` holds small made-up configs and what vLLM 0.32.0 itself built from them on the meta device under a
pretended H100: bytes of parameters and buffers per pipeline rank, the cache of every layer, the context length; and,
as `fp8_bytes`, the same with a serialized fp8 block (dynamic activations, one scale per weight). Names that begin with
`d_` leave everything to the config classes' defaults, those with `v_` and `r` vary a family, those with `p_` are
pooling models.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from vram.estimate.weights.ranks import Parallelism, rank_weights
from vram.estimate.weights.resolved import resolve
from vram.models.adapter import BuildContext
from vram.models.cache import AttentionCache
from vram.models.config import ModelConfig
from vram.models.scheme import QuantizationRequest
from vram.models.spec import ModelSpec
from vram.plugin.manager import plugins
from vram.quantization.resolve import resolve as resolve_quantization

CASES = {
    case["name"]: case
    for case in map(json.loads, (Path(__file__).parent / "dense_answers.jsonl").read_text().splitlines())
}
ANSWERS = [(name, layout) for name, case in CASES.items() for layout in case["answers"]]
QUANTIZED = [name for name, case in CASES.items() if "fp8_bytes" in case]


def build(config: dict, *, tp: int = 1, quantization: str | None = None) -> ModelSpec:
    model = ModelConfig(raw=config)
    context = BuildContext(tensor_parallel_size=tp, quantization=quantization, vllm_version=(0, 32, 0))
    return plugins().adapters[model.architecture].build(model, context)


def caches(spec: ModelSpec, layers: range, tp: int) -> list[list]:
    """What the layers of one rank keep, as the answers write it: kind, heads, head sizes, window, how often."""
    found: Counter[tuple] = Counter()
    for run in spec.runs:
        here = sum(index in layers for index in run.indices)
        for cache in run.layer.caches:
            assert isinstance(cache, AttentionCache)
            heads = max(cache.num_kv_heads // tp, 1)
            found[cache.kind, heads, cache.head_size, cache.head_size_v, cache.window] += here
    return sorted(([*key, count] for key, count in found.items() if count), key=str)


@pytest.mark.parametrize(("name", "layout"), ANSWERS, ids=[f"{name}-{layout}" for name, layout in ANSWERS])
def test_bytes_caches_and_length_are_vllms(name: str, layout: str) -> None:
    case = CASES[name]
    answer = case["answers"][layout]
    tp, pp = (int(part[2:]) for part in layout.split())

    spec = build(case["config"], tp=tp)
    parallel = Parallelism.of(tp=tp, pp=pp, dp=1, expert_parallel=False)
    ranks = rank_weights(resolve(spec, None), parallel, answer["dtype"])

    assert [rank.parameter_bytes for rank in ranks] == answer["bytes"]
    assert [caches(spec, rank.layers, tp) for rank in ranks] == answer["kv"]
    assert spec.max_model_len == answer["length"]


@pytest.mark.parametrize("name", QUANTIZED)
def test_modules_are_quantized_where_vllm_quantizes_them(name: str) -> None:
    case = CASES[name]
    block = {"quant_method": "fp8", "activation_scheme": "dynamic"}
    spec = build(case["config"], quantization="fp8")
    request = QuantizationRequest(
        method="fp8",
        config=block,
        compute_capability=(9, 0),
        vllm_version=(0, 32, 0),
        renames=spec.renames,
        architecture=spec.architecture,
        model=ModelConfig(raw=case["config"]),
    )
    bound = resolve_quantization(plugins().schemes, request)
    assert bound is not None

    ranks = rank_weights(resolve(spec, bound.quantization), Parallelism(), case["answers"]["tp1 pp1"]["dtype"])

    assert [rank.parameter_bytes for rank in ranks] == case["fp8_bytes"]
