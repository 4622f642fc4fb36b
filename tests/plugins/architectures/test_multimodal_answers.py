"""Towers, projectors and encoder-only models against vLLM's own answers.

`multimodal_answers.json` holds small configs of each family (every size made distinct where vLLM lets it be) and what
vLLM 0.32.0 (where `vllm` says so, 0.33.0) answered when it built them on the meta device, pretending an H100: bytes of
parameters and buffers on each pipeline rank, and the attention layers of the first one as kind, KV heads on a rank, head
size, window, layers.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from vram.architecture.towers import served
from vram.estimate.weights.ranks import Parallelism, pipeline_layers, rank_weights
from vram.estimate.weights.resolved import resolve
from vram.models.adapter import BuildContext
from vram.models.cache import AttentionCache
from vram.models.config import ModelConfig
from vram.models.parameters import Split
from vram.plugin.manager import plugins
from vram.vllm.versions import parse_version

ANSWERS = json.loads((Path(__file__).parent / "multimodal_answers.json").read_text())
CASES = [(name, how) for name, family in ANSWERS.items() for how in family["answers"]]


def _ranks(how: str) -> tuple[int, int]:
    tp, pp = how.split()
    return int(tp.removeprefix("tp")), int(pp.removeprefix("pp"))


def _spec(name: str, tp: int):
    config = ModelConfig(raw=ANSWERS[name]["config"])
    version = parse_version(ANSWERS[name].get("vllm", "0.32.0"))
    context = BuildContext(vllm_version=version, tensor_parallel_size=tp)
    spec = plugins().adapters[config.architecture].build(config, context)
    return served(spec, frozenset(), tp_mode="weights", version=version)


@pytest.mark.parametrize(("name", "how"), CASES)
def test_parameters_are_vllms_to_the_byte(name: str, how: str) -> None:
    tp, pp = _ranks(how)
    spec = _spec(name, tp)
    parallel = Parallelism.of(tp=tp, pp=pp, dp=1, expert_parallel=False)

    ranks = rank_weights(resolve(spec, None), parallel, ANSWERS[name]["dtype"])

    assert [rank.parameter_bytes for rank in ranks] == ANSWERS[name]["answers"][how]["parameter_bytes"]


@pytest.mark.parametrize(("name", "how"), CASES)
def test_attention_layers_are_those_vllm_caches(name: str, how: str) -> None:
    tp, pp = _ranks(how)
    spec = _spec(name, tp)
    first = pipeline_layers(spec.num_layers, pp)[0]

    found: Counter[tuple[object, ...]] = Counter()
    for run in spec.runs:
        layers = sum(index in first for index in run.indices)
        for cache in run.layer.caches:
            if isinstance(cache, AttentionCache) and layers:
                heads = Split(size=cache.num_kv_heads, units=cache.num_kv_heads).local(tp, name="kv")
                found[(cache.kind, heads, cache.head_size, cache.window)] += layers

    expected = {tuple(row[:4]): row[4] for row in ANSWERS[name]["answers"][how]["caches"]}
    assert dict(found) == expected
