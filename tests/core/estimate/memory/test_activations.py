"""The activation peak against numbers that vLLM logged."""

from __future__ import annotations

import math

import pytest

from vram.estimate.memory.activations import (
    _larger,
    activation_peak,
    compilation_peak,
    forward_peak,
    passing_peak,
)
from vram.estimate.memory.sampling import sampler_peak
from vram.models.interval import Interval
from vram.models.spec import Encoder
from vram.units import GIB, MIB
from vram.vllm.capture import GraphChoice


@pytest.mark.parametrize(
    ("hidden", "vocabulary", "widest", "logged_gib"),
    [
        (4096, 128256, 3 * 14336, 1.89),  # Llama 3.1 8B
        (3584, 152064, 3 * 18944, 2.21),  # Qwen2.5 7B
        (5120, 100352, 3 * 17920, 1.52),  # Phi-4
        (8192, 152064, 3 * 29568 // 2, 2.29),  # Qwen2.5 72B over 2
    ],
)
def test_dense_models_of_0_19_on_an_h100(make_run, hidden, vocabulary, widest, logged_gib):
    # vLLM 0.19, H100 80GB, defaults of the API server: published by a capacity planner's accuracy report
    peak = activation_peak(make_run(shapes={"hidden": hidden, "vocabulary": vocabulary, "widest": widest}))
    assert peak.expected / GIB == pytest.approx(logged_gib, rel=0.02)
    assert peak.low < peak.expected < peak.high


def test_first_pipeline_rank_does_not_sample_and_shows_the_forward(make_run):
    # the same report: Qwen3 8B over 3 pipeline ranks logs 0.96 GiB on the first; 45 MiB are library workspaces
    forward = forward_peak(make_run(shapes={"widest": 3 * 12288})).expected + 45 * MIB
    assert forward / GIB == pytest.approx(0.96, rel=0.05)


def test_workspace_adds_to_sampling_only_where_it_is_kept(make_run, make_experts):
    shapes = {"experts": make_experts(hidden=2048, intermediate=768, top_k=8), "hidden": 2048, "widest": 5120}
    freed = activation_peak(make_run(shapes=shapes, version=(0, 13, 0))).expected
    kept = activation_peak(make_run(shapes=shapes, version=(0, 14, 1))).expected
    assert kept - freed == 512 * MIB  # Qwen3-VL-30B-A3B on an H200: 64.23 GiB of cache under 0.13, 63.73 under 0.14


def test_latent_attention_projects_a_whole_context_workspace(make_run):
    # DeepSeek-V2-Lite: 16 heads × (128 + 128) × 65536 cached tokens × 2 bytes = 512 MiB
    shapes = {"hidden": 2048, "widest": 1, "latent_width": 4096}
    plain, latent = (forward_peak(make_run(shapes={**shapes, "latent_width": w})).expected for w in (0, 4096))
    assert latent - plain == 512 * MIB - 8192 * 2


def test_more_requests_or_tokens_never_lower_the_peak(make_run):
    peaks = [activation_peak(make_run(rows=n, max_num_seqs=n)).expected for n in (8, 64, 256, 1024, 4096)]
    assert peaks == sorted(peaks)
    peaks = [activation_peak(make_run(tokens=n, rows=min(n, 16))).expected for n in (16, 512, 8192, 65536)]
    assert peaks == sorted(peaks)


def reach(part: Interval) -> tuple[float, float]:
    return part.expected - part.low, part.high - part.expected


def forward_of(run_tokens: int, factor: float) -> float:
    """Llama 3.1 8B in bf16: tokens × 2 bytes × (factor × 4096 hidden + 3 × 14336 of the MLP)."""
    return run_tokens * 2 * (factor * 4096 + 3 * 14336)


def test_the_ends_are_the_factors_spread_five_percent_and_the_allocators_segments(make_run):
    # one request: the forward is the larger part; its factor 5.5 may be 4 to 7. 45 MiB of library workspaces besides
    peak = activation_peak(make_run(rows=1, max_num_seqs=1))
    expected = forward_of(8192, 5.5) + 45 * MIB
    assert peak.expected == expected
    below, above = reach(peak)
    factor = forward_of(8192, 7) - forward_of(8192, 5.5)
    assert below == pytest.approx(math.sqrt(factor**2 + (0.05 * expected) ** 2 + (48 * MIB) ** 2), abs=2)
    assert above == pytest.approx(below, abs=2)  # 7 is as far as 4
    # a batch of one token has next to nothing but the library's workspaces and the allocator's 48 MiB
    small = activation_peak(make_run(rows=1, max_num_seqs=1, tokens=1, shapes={"vocabulary": 1}))
    assert small.low == 0
    assert small.high - small.expected == pytest.approx(math.hypot(0.05 * 45 * MIB, 48 * MIB), rel=1e-3)


def test_half_of_what_a_tower_keeps_is_unsure(make_run):
    tower = Encoder(modality="image", max_item_tokens=8192, patches=4, width=4, mlp_width=4, input_elements=2**29)
    plain, seeing = (activation_peak(make_run(rows=1, max_num_seqs=1, encoders=e)) for e in ((), (tower,)))
    kept = 2 * (2**29 + 8192 * 4096)  # one item: its input and its embeddings, bf16
    assert seeing.expected - plain.expected == kept
    for one, other in zip(reach(seeing), reach(plain), strict=True):
        share = 0.05 * (plain.expected + kept)
        assert one**2 - other**2 == pytest.approx((kept / 2) ** 2 + share**2 - (0.05 * plain.expected) ** 2, rel=1e-6)


def test_a_towers_own_pass_may_be_the_peak(make_run):
    # 100,000 patches × (4 × 8192 + 2 × 32768) × 2 bytes, more than the text's forward of 16 tokens
    tower = Encoder(
        modality="image", max_item_tokens=16, patches=100_000, width=8192, mlp_width=32768, input_elements=8
    )
    peak = activation_peak(make_run(tokens=16, rows=1, max_num_seqs=1, encoders=(tower,)))
    assert peak.expected == 2 * (8 + 100_000 * (4 * 8192 + 2 * 32768)) + 45 * MIB


def test_in_0_11_the_workspace_may_be_none(make_run, make_experts):
    # the kernel's class decides there: the whole workspace is on the low side
    shapes = {"experts": make_experts(hidden=2048, intermediate=768, top_k=8), "hidden": 2048, "widest": 5120}
    for version, unsure in (((0, 11, 0), True), ((0, 11, 2), True), ((0, 14, 0), False)):
        peak = activation_peak(make_run(rows=1, max_num_seqs=1, shapes=shapes, version=version))
        below, above = reach(peak)
        assert below**2 - above**2 == pytest.approx((512 * MIB) ** 2 if unsure else 0, abs=1e12), version
    freed = activation_peak(make_run(rows=1, max_num_seqs=1, shapes=shapes, version=(0, 12, 0)))
    assert reach(freed)[0] == pytest.approx(reach(freed)[1], abs=2)


def test_the_larger_of_forward_and_sampling_has_the_larger_ends_of_both(make_run):
    # 8192 tokens: forward 1.07 GB (low 4, high 7 hidden tensors); sampling of n rows by sorting 37.7 to 38.9 bytes a logit
    def text(rows: int) -> Interval:
        return _larger(
            passing_peak(make_run(version=(0, 16, 0))), sampler_peak(make_run(version=(0, 16, 0), rows=rows))
        )

    forward, some = passing_peak(make_run()), sampler_peak(make_run(version=(0, 16, 0), rows=190))
    assert forward.low < some.low < some.expected < forward.expected  # 190 rows are a little less than the forward
    assert text(190) == Interval(low=some.low, expected=forward.expected, high=forward.high, provenance="assumed")
    many = sampler_peak(make_run(version=(0, 16, 0), rows=1024))
    assert text(1024) == many


def test_latent_workspace_is_twice_as_long_before_0_11(make_run):
    # 131072 tokens before, 65536 since, × heads × (nope + v) = 4096, bf16, above the residual's
    residual = 2 * 5.5 * 4096 * 8192
    for version, tokens in (((0, 10, 2), 131072), ((0, 11, 0), 65536)):
        peak = forward_peak(make_run(version=version, shapes={"latent_width": 4096, "widest": 1}))
        assert peak.expected == residual + 2 * tokens * 4096


def test_a_workspace_that_is_freed_passes_with_the_forward(make_run, make_experts):
    shapes = {"experts": make_experts(hidden=2048, intermediate=768, top_k=8)}
    run = make_run(shapes=shapes, version=(0, 13, 0))
    assert passing_peak(run).expected - forward_peak(run).expected == 512 * MIB
    kept = make_run(shapes=shapes, version=(0, 14, 0))
    assert passing_peak(kept) == forward_peak(kept)


#: Qwen3-14B: 151,936 × 5,120 in two bytes are 1,484 MiB
QWEN3_14B = {"hidden": 5120, "vocabulary": 151936, "widest": 3 * 17408}


@pytest.mark.parametrize(
    ("tokens", "rows", "outside_gib", "logged_gib"),
    [
        # "other" of Qwen3-14B on an L40S of 44.42 GiB under 0.28: 0.92 × 44.42 − 27.52 of weights − 11.57 of cache, less the
        # V2 runner's tables (256 × 151,936 × 4.25 bytes); and tuned, 0.95 × 44.42 − 9.44 − 31.02. Both leave 0.13 GiB outside PyTorch
        (2048, 256, 0.16 + 0.13, 1.776),
        (8192, 8, 0.005 + 0.13, 1.739),
    ],
)
def test_timing_the_first_compiled_kernel_is_the_peak_of_small_batches(make_run, tokens, rows, outside_gib, logged_gib):
    run = make_run(version=(0, 28, 0), v2_runner=True, tokens=tokens, rows=rows, max_num_seqs=rows, shapes=QWEN3_14B)
    peak = activation_peak(run)
    assert compilation_peak(run).expected == (151936 + 2 * tokens) * 5120 * 2
    assert peak.expected / GIB + outside_gib == pytest.approx(logged_gib, abs=0.02)
    # with compiled code kept from an earlier start there is nothing to time
    assert peak.low < passing_peak(run).expected + 45 * MIB


def test_nothing_is_timed_before_0_20_in_eager_mode_or_of_another_ranks_rows(make_run):
    assert compilation_peak(make_run(version=(0, 19, 1))) == Interval.exact(0)
    assert compilation_peak(
        make_run(version=(0, 28, 0), graphs=GraphChoice(piecewise=False, full=False, compiled=False))
    ) == Interval.exact(0)
    one, two = (compilation_peak(make_run(version=(0, 28, 0), tp=tp)).expected for tp in (1, 2))
    assert one - two == 128256 // 2 * 4096 * 2


def test_an_h200_timed_the_embedding_under_0_26(make_run):
    # Qwen3-8B, 2,048 tokens, compiled anew: 1,279,296,000 bytes above the weights
    shapes = {"hidden": 4096, "vocabulary": 151936, "widest": 3 * 12288}
    run = make_run(version=(0, 26, 0), v2_runner=True, tokens=2048, rows=1024, max_num_seqs=1024, shapes=shapes)
    assert compilation_peak(run).expected == pytest.approx(1_279_296_000, abs=2**21)
    before = compilation_peak(make_run(version=(0, 21, 0), shapes=shapes))  # thinkable, but a log does without
    assert before.expected == 0 < before.high


def test_of_images_the_compiled_code_is_handed_what_was_looked_up(make_run):
    # logs of 0.22 and 0.25.1, Qwen3.6-27B-NVFP4 on RTX 5090: 3.93 GiB left where 2.4 of an embedding would have been missing
    assert compilation_peak(make_run(version=(0, 28, 0), gathers=False)) == Interval.exact(0)


def test_not_compiled_an_all_reduce_holds_its_input_and_its_output(make_run):
    alone, two = (forward_peak(make_run(version=(0, 7, 3), v0_engine=True, tp=tp)).expected for tp in (1, 2))
    assert two - alone == 8192 * 4096 * 2
    compiled = [forward_peak(make_run(version=(0, 19, 0), tp=tp)).expected for tp in (1, 2)]
    assert compiled[0] == compiled[1]


def test_the_v2_runners_forward_keeps_three_hidden_tensors(make_run):
    # Qwen3-8B on an H200 under 0.26, 16,384 tokens, compiled code kept: 1,644,184,064 bytes above the weights, 32 MiB of them cuBLAS's
    shapes = {"hidden": 4096, "vocabulary": 151936, "widest": 3 * 12288}
    run = make_run(version=(0, 26, 0), v2_runner=True, tokens=16384, shapes=shapes)
    assert forward_peak(run).expected == pytest.approx(1_644_184_064 - 32 * MIB, rel=1e-3)
    assert forward_peak(run).expected < forward_peak(make_run(version=(0, 26, 0), tokens=16384, shapes=shapes)).expected
