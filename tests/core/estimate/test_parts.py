"""Parts put together: pools of pipeline ranks, what a policy leaves of them, and the sums of an answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

import vram
from vram.ask.asking import ask
from vram.estimate.parts import Parts, _cache_ranks, compute
from vram.estimate.question import Question
from vram.models.cache import AttentionCache
from vram.models.deployment import Policy
from vram.models.spec import Draft, Layer, LayerRun, ModelSpec
from vram.units import GIB

#: an H100 said to have 80 GiB, half of it for vLLM, 1 GiB for everything that is neither weights nor cache
ROOM: dict[str, Any] = {
    "gpu": "H100", "gpu_memory_gib": 80, "gpu_memory_utilization": 0.5, "vllm_version": "0.19.0", "max_model_len": 4096,
}  # fmt: skip
BUDGET = 40 * GIB
#: 3 layers of Llama 3.1 8B over two ranks are 2 and 1; a block of 16 tokens of one layer is 16 × 8 × 256 × 2 bytes
UNEVEN = {"num_hidden_layers": 3}
PAGE = 16 * 8 * (128 + 128) * 2


@pytest.fixture
def parts(model_folder: Callable[..., Path]) -> Callable[..., Parts]:
    """The computed parts of a deployment of a small Llama, 1 GiB of overhead."""

    def make(config: dict[str, Any] | None = None, policy: Policy | None = None, **arguments: Any) -> Parts:
        policy = policy or Policy(overhead_gib=1.0)
        return compute(ask(model_folder(**(config or UNEVEN)), policy=policy, **{**ROOM, **arguments}))

    return make


@pytest.fixture
def estimated(model_folder: Callable[..., Path]) -> Callable[..., vram.Estimate]:
    def make(config: dict[str, Any] | None = None, policy: Policy | None = None, **arguments: Any) -> vram.Estimate:
        policy = policy or Policy(overhead_gib=1.0)
        return vram.estimate(model_folder(**(config or UNEVEN)), policy=policy, **{**ROOM, **arguments})

    return make


def loose(question: Question) -> Question:
    """The same question with a profile that thinks a quarter of the cache is lost."""
    profile = evolve(question.profile, fragmentation_factor=1.25)
    return evolve(question, hardware=evolve(question.hardware, profile=profile))


def test_a_lighter_pipeline_ranks_pool_is_larger_by_what_its_weights_lack(parts) -> None:
    found = parts(pipeline_parallel_size=2)
    heavy, light = (rank.weights_bytes for rank in found.weights)
    # two layers and the embedding, one layer and the LM head of the same size
    assert heavy > light
    assert found.weights_bytes == heavy
    assert found.pools == (BUDGET - GIB - heavy, BUDGET - GIB - light)
    # the larger rank's blocks decide: 2 pages in the smaller pool
    assert found.plan.num_blocks == found.pools[0] // (2 * PAGE)


def test_no_pool_is_less_than_nothing(parts) -> None:
    # 0.02 of 80 GiB are 1.6 GiB, the weights of a rank 1.4 to 1.8 and the overhead 1
    found = parts(pipeline_parallel_size=2, gpu_memory_utilization=0.02)
    assert found.overhead.kv_cache_available.expected < 0
    assert found.pools == (0, 0)


def test_a_cache_of_given_bytes_is_every_ranks_pool(parts, estimated) -> None:
    assert parts(pipeline_parallel_size=2, kv_cache_memory_bytes=3 * GIB).pools == (3 * GIB, 3 * GIB)
    available = estimated(pipeline_parallel_size=2, kv_cache_memory_bytes=3 * GIB).memory.kv_cache_available
    assert (available.low, available.expected, available.high) == (3 * GIB,) * 3


def test_requests_need_their_blocks_times_the_fragmentation(parts) -> None:
    # one rank, 3 requests of 4096 / 16 = 256 blocks of 3 pages, and the null block
    needed = (3 * 256 + 1) * 3 * PAGE
    assert parts().required(4096, 3) == needed
    loose = parts(policy=Policy(overhead_gib=1.0, fragmentation_factor=1.15))
    assert loose.required(4096, 3) == int(needed * 1.15)


def test_a_profiles_own_fragmentation_holds_where_the_policy_says_nothing(parts) -> None:
    found = parts()
    own = evolve(found, question=loose(found.question))
    assert own.fragmentation == 1.25
    asked = parts(policy=Policy(overhead_gib=1.0, fragmentation_factor=1.0))
    over = evolve(asked, question=loose(asked.question))
    assert over.fragmentation == 1.0


def test_requests_may_fill_what_headroom_and_fragmentation_leave(parts) -> None:
    policy = Policy(overhead_gib=1.0, headroom_gib=2.0, fragmentation_factor=1.15)
    found = parts(policy=policy)
    assert found.usable_pools == (int((BUDGET - found.weights_bytes - 3 * GIB) / 1.15),)
    # a given cache is smaller than what would be left
    given = parts(policy=policy, kv_cache_memory_bytes=3 * GIB)
    assert given.usable_pools == (int(3 * GIB / 1.15),)


def test_no_more_than_nothing_may_be_filled(parts) -> None:
    # 39 GiB of headroom and 1 of overhead are the whole budget
    found = parts(policy=Policy(overhead_gib=1.0, headroom_gib=39.0))
    assert found.usable_pools == (0,)
    assert found.pools[0] > 0


def test_uneven_ranks_may_fill_as_many_blocks_as_the_largest_has(parts) -> None:
    # 2 and 1 pages a block; the heavier rank's weights count on both
    found = parts(
        policy=Policy(overhead_gib=1.0, headroom_gib=2.0, fragmentation_factor=1.15), pipeline_parallel_size=2
    )
    blocks = int((BUDGET - found.weights_bytes - 3 * GIB) / 1.15) // (2 * PAGE)
    assert found.usable_pools == (blocks * 2 * PAGE, blocks * PAGE)
    # a given cache of 3 GiB is less than both
    given = parts(
        policy=Policy(overhead_gib=1.0, fragmentation_factor=1.15),
        pipeline_parallel_size=2,
        kv_cache_memory_bytes=3 * GIB,
    )
    assert given.usable_pools == (int(3 * GIB / 1.15),) * 2


def test_even_ranks_may_fill_the_same_bytes(parts) -> None:
    # 2 layers over 2 ranks: a page each; the norm makes the last rank the heavier one
    found = parts({"num_hidden_layers": 2}, Policy(overhead_gib=1.0, headroom_gib=0.0), pipeline_parallel_size=2)
    usable = BUDGET - GIB - found.weights_bytes
    assert found.pools[0] > found.pools[1] == usable
    assert found.usable_pools == (usable, usable)


@pytest.mark.parametrize("blocks", [1 + 2 * 256 + 1, 10**6])
def test_blocks_given_by_hand_hold_no_more_than_the_memory_does(parts, blocks: int) -> None:
    # a request of 4096 tokens is 256 blocks of 3 pages, and one block is the null block
    found = parts(num_gpu_blocks_override=blocks)
    memory = found.usable_pools[0] // (3 * PAGE)
    assert memory < 10**6
    assert found.most_requests(4096) == (min(blocks, memory) - 1) // 256
    assert found.longest_context(2, 10**8) == (min(blocks, memory) - 1) // 2 * 16


def test_an_answer_adds_up(estimated) -> None:
    answer = estimated(pipeline_parallel_size=2, concurrency=3)
    memory = answer.memory
    needed = (3 * 256 + 1) * 2 * PAGE
    assert memory.weights.expected == max(rank.weights_bytes for rank in answer.ranks)
    assert memory.kv_cache_required.expected == needed
    left = BUDGET - GIB - memory.weights.expected - needed
    assert (memory.headroom.low, memory.headroom.expected, memory.headroom.high) == (left, left, left)
    assert [rank.cache_layers for rank in answer.ranks] == [2, 1]
    assert [rank.pipeline_rank for rank in answer.ranks] == [0, 1]


def test_headroom_carries_the_spread_of_every_part(model_folder: Callable[..., Path]) -> None:
    # one number for the parts on each end, added up as an answer says: budget - parts - required
    memory = vram.estimate(model_folder(**UNEVEN), **ROOM).memory
    parts = (memory.activation_peak, memory.cuda_graphs, memory.non_torch, memory.weights)
    needed = memory.kv_cache_required.expected
    assert memory.headroom.low == memory.budget_bytes - sum(part.high for part in parts) - needed
    assert memory.headroom.high == memory.budget_bytes - sum(part.low for part in parts) - needed
    assert memory.headroom.low < memory.headroom.expected < memory.headroom.high


def test_offload_takes_bytes_off_each_rank_and_lora_slots_come_on_top(parts) -> None:
    plain = parts(pipeline_parallel_size=2)
    off = parts(pipeline_parallel_size=2, cpu_offload_gb=0.5)
    # a layer's weights: attention 2 × 4096² + 2 × 4096 × 1024, MLP 3 × 4096 × 14336, two norms, in bfloat16
    layer = 2 * (2 * 4096**2 + 2 * 4096 * 1024 + 3 * 4096 * 14336 + 2 * 4096)
    taken = [plain.weights_bytes - off.weights_bytes for plain, off in zip(plain.weights, off.weights, strict=True)]
    # half a GiB is a layer and of the next one qkv, the output projection and, whole as every parameter, gate and up
    begun = 2 * (6144 * 4096 + 4096**2 + 2 * 14336 * 4096)
    assert taken == [layer + begun, layer]  # embedding and LM head stay
    lora = parts(pipeline_parallel_size=2, enable_lora=True)
    slots = [one.weights_bytes - rank.weights_bytes for rank, one in zip(plain.weights, lora.weights, strict=True)]
    assert min(slots) > 0
    # offload never takes more than a rank's layers, and never an adapter's slot
    both = parts(pipeline_parallel_size=2, enable_lora=True, cpu_offload_gb=99)
    stays = [plain.weights[0].weights_bytes - 2 * layer + slots[0], plain.weights[1].weights_bytes - layer + slots[1]]
    assert [rank.weights_bytes for rank in both.weights] == stays


def test_a_drafts_layers_are_cached_on_the_last_rank() -> None:
    # DeepSeek-R1 has 61 layers, 31 and 30 over two ranks, and one prediction layer more with MTP
    arguments: dict[str, Any] = {"gpu": "H200", "tensor_parallel_size": 8, "pipeline_parallel_size": 2}
    plain = vram.estimate("deepseek-ai/DeepSeek-R1", **arguments)
    drafted = vram.estimate(
        "deepseek-ai/DeepSeek-R1", **arguments, speculative_config={"method": "mtp", "num_speculative_tokens": 1}
    )
    assert [rank.cache_layers for rank in plain.ranks] == [31, 30]
    assert [rank.cache_layers for rank in drafted.ranks] == [31, 31]


def test_auto_fit_is_a_length_of_minus_one(estimated) -> None:
    # a block is 3 pages of 64 KiB: 256 MiB are 1365 of them, more than the model's 8192 tokens need
    long = estimated(max_model_len=-1, kv_cache_memory_bytes=2**28, vllm_version="0.33.0")
    assert long.deployment.max_model_len == 8192
    # 64 MiB are 341 blocks, one of them the null block: 340 × 16 tokens
    short = estimated(max_model_len=-1, kv_cache_memory_bytes=2**26, vllm_version="0.33.0")
    assert short.deployment.max_model_len == 340 * 16


def test_kinds_of_layers_are_counted_on_the_ranks_that_hold_them() -> None:
    # layers 0 to 3 keep keys and values, 4 nothing, 5 a window; a draft of two layers with heads of its own comes last
    full, window, own = (
        AttentionCache(kind=kind, num_kv_heads=2, head_size=size, head_size_v=size, window=length)
        for kind, size, length in (
            ("full_attention", 64, None),
            ("sliding_window", 64, 128),
            ("full_attention", 32, None),
        )
    )
    runs = [((full,), (0, 1, 2, 3)), ((), (4,)), ((window,), (5,))]
    spec = ModelSpec(
        architecture="Test", dtype="bfloat16", hidden_size=64, vocab_size=100, num_attention_heads=4, max_model_len=64,
        derived_max_model_len=64, num_layers=6, placed=(),
        runs=tuple(LayerRun(layer=Layer(modules=(), caches=caches), indices=indices) for caches, indices in runs),
        draft=Draft(runs=(LayerRun(layer=Layer(modules=(), caches=(own, full)), indices=(0, 1)),)),
    )  # fmt: skip
    assert _cache_ranks(spec, (range(3), range(3, 6))) == (((full, 3),), ((full, 1 + 2), (window, 1), (own, 2)))


@pytest.mark.parametrize(
    ("config", "blocks"),
    [
        # a class vLLM counts among its hybrids caches prefixes and keeps two states a request, even where a config leaves
        # it no attention; a model of states alone keeps one
        ({"architectures": ["Lfm2ForCausalLM"], "layer_types": ["conv", "conv"], "conv_L_cache": 3, "block_ff_dim": 128}, 2),
        ({"architectures": ["MambaForCausalLM"], "state_size": 16, "conv_kernel": 4, "intermediate_size": 128,
          "time_step_rank": 4}, 1),
    ],
)  # fmt: skip
def test_hybrids_are_told_by_their_class(
    model_folder: Callable[..., Path], config: dict[str, Any], blocks: int
) -> None:
    sizes = {"num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2}
    cache = vram.estimate(model_folder(**sizes, **config), gpu="H100", vllm_version="0.33.0").kv_cache
    assert cache.max_concurrency == cache.num_blocks / blocks


@pytest.mark.parametrize("gpu", ["A100", "H100"])
def test_auto_asks_for_no_attention_backend_and_leaves_the_models_own_rule(gpu: str) -> None:
    # `config/attention.py:AttentionConfig.validate_backend_before` (0.33.0): "auto", in any case, is None. Gemma 4's heads
    # are uneven: Triton's on Ampere, FlashAttention 4's on Hopper
    def asked(name: str | None) -> Parts:
        return compute(ask("google/gemma-4-26B-A4B-it", gpu=gpu, attention_backend=name))

    assert asked("Auto").context.attention_backend == asked(None).context.attention_backend
    assert asked("auto").plan == asked(None).plan
    assert asked(None).context.attention_backend == ("TRITON_ATTN" if gpu == "A100" else None)


def test_users_beyond_the_pool_do_not_fit_where_more_is_charged_for_graphs_than_they_take(parts) -> None:
    # the pool is what the charge leaves; that capture then takes less gives memory back, and no block of the cache
    found = parts(concurrency=8)
    smaller = evolve(found, pools=tuple(pool // 4 for pool in found.pools))
    users = smaller.most_requests(4096)
    question, deployment = found.question, found.question.deployment
    held, beyond = (
        evolve(smaller, question=evolve(question, deployment=evolve(deployment, concurrency=asked)))
        for asked in (users, users + 1)
    )
    assert (held.holds_all, beyond.holds_all) == (True, False)
