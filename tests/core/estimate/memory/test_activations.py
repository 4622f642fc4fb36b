"""The activation peak against numbers that vLLM logged."""

from __future__ import annotations

import pytest

from vram.estimate.memory.activations import activation_peak, forward_peak
from vram.units import GIB, MIB


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
