"""Latent attention's modules; numbers by hand from DeepSeek V3's shapes (H 7168, 128 heads, ranks 1536 and 512)."""

import pytest

from vram.architecture.latent import latent_rope, mla, sparse_indexer, topk_buffer
from vram.errors import ParallelismError
from vram.estimate.weights.ranks import Parallelism, module_bytes
from vram.models.adapter import BuildContext
from vram.models.cache import AttentionCache, IndexerCache, LatentCache
from vram.models.config import ModelConfig
from vram.models.scheme import Format, StoredTensor

SHAPE = {
    "hidden_size": 7168,
    "num_heads": 128,
    "q_lora_rank": 1536,
    "kv_lora_rank": 512,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
}


class OneBytePerWeight(Format):
    bits_per_weight = 8.0

    def linear(self, shape):
        return (StoredTensor(name="weight", elements=shape.rows * shape.inputs, dtype="float8_e4m3fn"),)

    def experts(self, shape):
        raise NotImplementedError


def named(part, ending):
    return next(module for module in part.modules if module.name.endswith(ending))


def test_down_projections_are_fused_and_whole_on_every_rank():
    fused = named(mla(**SHAPE), "fused_qkv_a_proj")

    assert fused.local(8, "bfloat16").outputs == (1536, 512 + 64)


def test_without_a_query_bottleneck_queries_come_from_the_hidden_state():
    part = mla(**{**SHAPE, "q_lora_rank": 0})

    assert named(part, "q_proj").local(8, "bfloat16").rows == 128 // 8 * (128 + 64)
    assert named(part, "kv_a_proj_with_mqa").local(8, "bfloat16").rows == 512 + 64


def test_a_quantized_kv_b_is_also_kept_in_the_activation_dtype():
    kv_b = named(mla(**SHAPE), "kv_b_proj")
    elements = 128 // 8 * (128 + 128) * 512  # of one of eight ranks

    created, loaded = module_bytes(kv_b, OneBytePerWeight(), Parallelism(tp=8), "bfloat16")

    assert (created, loaded) == (elements, elements + 2 * elements)


def test_an_unquantized_kv_b_is_kept_once():
    kv_b = named(mla(**SHAPE), "kv_b_proj")

    created, loaded = module_bytes(kv_b, None, Parallelism(tp=8), "bfloat16")

    assert created == loaded == 128 // 8 * (128 + 128) * 512 * 2


def test_heads_that_do_not_divide_are_refused():
    with pytest.raises(ParallelismError):
        named(mla(**SHAPE), "q_b_proj").local(3, "bfloat16")


def test_the_cache_is_one_vector_per_token_or_full_keys_on_the_plain_path():
    (latent,) = mla(**SHAPE).caches
    (plain,) = mla(**SHAPE, absorbed=False).caches

    assert latent == LatentCache(kv_lora_rank=512, qk_rope_head_dim=64)
    assert plain == AttentionCache(kind="full_attention", num_kv_heads=128, head_size=192, head_size_v=192)


def test_the_indexer_is_replicated_and_keeps_its_own_keys():
    part = sparse_indexer(hidden_size=7168, q_lora_rank=1536, num_heads=64, head_dim=128)

    assert named(part, "wq_b").local(8, "bfloat16").rows == 64 * 128
    assert named(part, "wk_weights_proj").local(8, "bfloat16").rows == 128 + 64
    assert part.caches == (IndexerCache(head_dim=128),)


def test_the_topk_buffer_is_memory_but_no_parameter():
    created, loaded = module_bytes(topk_buffer(2048, 8192), None, Parallelism(), "bfloat16")

    assert (created, loaded) == (0, 8192 * 2048 * 4)


def test_a_scaled_rope_reaches_over_its_stretched_length():
    config = ModelConfig(raw={"rope_scaling": {"type": "yarn", "factor": 40, "original_max_position_embeddings": 4096}})

    table = latent_rope(config, BuildContext(), rotary_dim=64, max_position=163840)

    assert table.shape == (40 * 4096, 64)
