"""Latent-attention, recurrent and hybrid families against vLLM's own answers.

`latent_and_state_models.json` holds small configs made for this test and what vLLM 0.32.0 answered for them on the meta
device (H100): bytes of parameters and buffers per pipeline rank, and each layer's cache.
"""

import json
from collections import Counter
from pathlib import Path

import pytest

from vram.estimate.weights.ranks import Parallelism, rank_weights
from vram.estimate.weights.resolved import resolve
from vram.models.adapter import BuildContext
from vram.models.cache import AttentionCache, IndexerCache, LatentCache, StateCache
from vram.models.config import ModelConfig
from vram.plugin.manager import plugins

MODELS = json.loads((Path(__file__).parents[2] / "data" / "latent_and_state_models.json").read_text())
CASES = [
    pytest.param(model["config"], answer, id=f"{model['name']}-tp{answer['tp']}-pp{answer['pp']}")
    for model in MODELS
    for answer in model["answers"]
]


def build(config, tensor_parallel_size=1):
    adapter = plugins().adapters[config["architectures"][0]]
    context = BuildContext(vllm_version=(0, 32, 0), tensor_parallel_size=tensor_parallel_size)
    return adapter.build(ModelConfig(raw=config), context)


@pytest.mark.parametrize(("config", "answer"), CASES)
def test_parameter_bytes_are_vllms_on_every_pipeline_rank(config, answer):
    spec = build(config, answer["tp"])
    parallel = Parallelism.of(tp=answer["tp"], pp=answer["pp"], dp=1, expert_parallel=answer["expert_parallel"])

    ranks = rank_weights(resolve(spec, None), parallel, answer["dtype"])

    assert [rank.parameter_bytes for rank in ranks] == answer["parameter_bytes"]


@pytest.mark.parametrize(("config", "answer"), CASES)
def test_every_layer_keeps_what_it_keeps_in_vllm(config, answer):
    spec = build(config, answer["tp"])

    assert ours(spec, answer["tp"], answer["dtype"]) == theirs(answer["caches"])


@pytest.mark.parametrize(("config", "answer"), CASES)
def test_the_default_context_length_is_vllms(config, answer):
    assert build(config).max_model_len == answer["max_model_len"]


def ours(spec, tp, dtype):
    found = Counter()
    for run in spec.runs:
        for cache in run.layer.caches:
            found[kept(cache, tp, dtype, spec.state_dtype or dtype)] += len(run.indices)
    return found


def kept(cache, tp, dtype, state_dtype):
    match cache:
        case AttentionCache():
            return ("attention", max(1, cache.num_kv_heads // tp), cache.head_size, cache.head_size_v)
        case LatentCache():
            return ("latent", cache.kv_lora_rank + cache.qk_rope_head_dim)
        case IndexerCache():
            return ("latent", cache.head_dim + cache.head_dim // 128 * 4)
        case StateCache():
            names = {"conv": dtype, "ssm": state_dtype}
            return (
                "state",
                *(
                    (sum(part.local(tp, name="state") for part in tensor.rows) * tensor.columns,
                     names.get(tensor.dtype, tensor.dtype))
                    for tensor in cache.tensors
                ),
            )  # fmt: skip


def theirs(ranks):
    found = Counter()
    for caches in ranks:
        for count, (kind, *rest) in caches:
            found[(kind, *(tuple(item) if isinstance(item, list) else item for item in rest))] += count
    return found
