"""vram.performance: the contract of design.md section 6, and answers that make sense."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vram
from vram.advise.performance import performance_of
from vram.ask.asking import ask
from vram.errors import InputError, VramError
from vram.estimate.parts import compute
from vram.models.performance import Performance, Workload
from vram.models.profile import Constant
from vram.models.record import evolve

RANGES = (
    "ttft_ms", "tpot_ms", "ttft_p95_ms", "tpot_p95_ms", "output_tokens_per_s", "total_tokens_per_s", "requests_per_s",
    "output_tokens_per_s_per_user",
)  # fmt: skip
FP8 = {"quant_method": "fp8", "activation_scheme": "dynamic"}


def speed(folder: Path, **arguments: Any) -> Performance:
    wanted = {"gpu": "H100", "prompt_tokens": 1000, "gen_tokens": 200, "concurrency": 8, **arguments}
    return vram.performance(folder, **wanted)


def test_the_answer_is_json_with_a_range_for_every_figure(model_folder: Callable[..., Path]) -> None:
    found = json.loads(json.dumps(speed(model_folder()).to_dict()))
    for name in RANGES:
        assert set(found[name]) == {"low", "expected", "high"}
        assert 0 < found[name]["low"] < found[name]["expected"] < found[name]["high"]
    assert found["bound"] in ("memory", "compute", "communication")
    assert found["workload"] == {
        "prompt_tokens": 1000, "gen_tokens": 200, "concurrency": 8, "burst": False, "request_rate": None, "requests": 200,
        "prefix_hit_rate": 0.0,
    }  # fmt: skip
    assert all(isinstance(sentence, str) and sentence.endswith(".") for sentence in found["assumptions"])


def test_figures_agree_with_each_other(model_folder: Callable[..., Path]) -> None:
    found = speed(model_folder())
    rate = found.requests_per_s.expected
    assert found.output_tokens_per_s.expected == pytest.approx(200 * rate)
    assert found.total_tokens_per_s.expected == pytest.approx(1200 * rate)
    assert found.output_tokens_per_s_per_user.expected == pytest.approx(200 * rate / 8)
    in_flight = rate * (found.ttft_ms.expected + 199 * found.tpot_ms.expected) / 1e3
    assert in_flight == pytest.approx(8)


def test_one_user_decodes_about_as_fast_as_the_weights_are_read(model_folder: Callable[..., Path]) -> None:
    # 15.0 GB of layers and head at 3352 GB/s are 4.5 ms; no run reaches that, none needs twice as long
    found = speed(model_folder(), concurrency=1)
    assert 4.5 < found.tpot_ms.expected < 9.0
    assert found.bound == "memory"
    assert found.prefill_bound == "compute"


@pytest.mark.parametrize(
    ("slower", "faster"),
    [
        ({"gpu": "A100 80GB"}, {"gpu": "H100"}),
        ({"gpu": "H100"}, {"gpu": "H200", "concurrency": 64}),
        ({"gpu": "L4", "concurrency": 4}, {"gpu": "L40S", "concurrency": 4}),
        ({}, {"tensor_parallel_size": 2}),
        ({"enforce_eager": True}, {}),
        ({"cpu_offload_gb": 8.0}, {}),
        ({"concurrency": 2}, {"concurrency": 32}),
        ({"prompt_tokens": 7000}, {"prompt_tokens": 100}),
        ({"concurrency": 256, "prompt_tokens": 4000}, {"concurrency": 256, "prompt_tokens": 4000, "kv_cache_dtype": "fp8"}),
    ],
)  # fmt: skip
def test_more_of_anything_that_helps_gives_more_tokens_per_second(
    model_folder: Callable[..., Path], slower: dict[str, Any], faster: dict[str, Any]
) -> None:
    folder = model_folder()
    assert speed(folder, **slower).output_tokens_per_s.expected < speed(folder, **faster).output_tokens_per_s.expected


def test_8_bit_weights_are_faster_than_16_bit_ones(model_folder: Callable[..., Path]) -> None:
    plain = speed(model_folder(), concurrency=1).tpot_ms.expected
    fp8 = speed(model_folder(quantization_config=FP8), concurrency=1).tpot_ms.expected
    assert 0.5 < fp8 / plain < 0.8


def test_without_8_bit_units_they_read_faster_and_prefill_slower(model_folder: Callable[..., Path]) -> None:
    plain = speed(model_folder(), gpu="A100 80GB", concurrency=1, prompt_tokens=4000)
    fp8 = speed(model_folder(quantization_config=FP8), gpu="A100 80GB", concurrency=1, prompt_tokens=4000)
    assert fp8.tpot_ms.expected < plain.tpot_ms.expected
    assert plain.ttft_ms.expected < fp8.ttft_ms.expected < 2 * plain.ttft_ms.expected


def test_consumer_cards_over_pcie_are_bound_by_communication(model_folder: Callable[..., Path]) -> None:
    found = speed(model_folder(), gpu="RTX 3090", tensor_parallel_size=4, concurrency=64)
    assert found.prefill_bound == "communication"


def test_the_kv_cache_caps_the_batch_and_the_rest_waits(model_folder: Callable[..., Path]) -> None:
    # 24 GB hold 16 GB of weights and some 3 GB of cache: a dozen requests of 1100 tokens at 128 KiB each
    few = speed(model_folder(), gpu="RTX 4090", concurrency=400)
    assert 5 < few.batch < 40
    assert few.ttft_ms.expected > 5 * few.tpot_ms.expected * 200
    assert any("the KV cache" in sentence for sentence in few.assumptions)


def test_a_rate_far_below_what_it_serves_finds_it_nearly_idle(model_folder: Callable[..., Path]) -> None:
    alone = speed(model_folder(), concurrency=1)
    rare = speed(model_folder(), request_rate=0.01)
    assert rare.tpot_ms.expected == pytest.approx(alone.tpot_ms.expected, rel=0.02)
    assert rare.ttft_ms.expected == pytest.approx(alone.ttft_ms.expected, rel=0.1)
    assert rare.batch == 1


def test_a_rate_above_what_it_serves_lets_the_queue_grow(model_folder: Callable[..., Path]) -> None:
    short, long = (speed(model_folder(), request_rate=100.0, requests=n) for n in (200, 2000))
    assert short.capacity_requests_per_s < 100
    assert long.ttft_ms.expected > 2 * short.ttft_ms.expected
    assert long.requests_per_s.expected <= long.capacity_requests_per_s * 1.05


@pytest.mark.parametrize("arguments", [{}, {"request_rate": 2.0}])
def test_what_the_prefix_cache_has_is_not_computed_again(
    model_folder: Callable[..., Path], arguments: dict[str, Any]
) -> None:
    whole, half = (
        speed(model_folder(), prompt_tokens=8000, concurrency=1, prefix_hit_rate=r, **arguments) for r in (0.0, 0.5)
    )
    assert 0.4 < half.ttft_ms.expected / whole.ttft_ms.expected < 0.75
    nearly = speed(model_folder(), prompt_tokens=8000, concurrency=1, prefix_hit_rate=1.0, **arguments)
    assert nearly.ttft_ms.expected < 0.2 * whole.ttft_ms.expected
    assert nearly.tpot_ms.expected < 1.15 * whole.tpot_ms.expected
    assert any("4000 of a prompt's tokens are in the prefix cache" in sentence for sentence in half.assumptions)


def test_of_a_burst_the_last_wait_longest(model_folder: Callable[..., Path]) -> None:
    found = speed(model_folder(), burst=True, concurrency=400)
    assert found.ttft_p95_ms.expected > 1.5 * found.ttft_ms.expected
    assert any("all at once" in sentence for sentence in found.assumptions)


def test_a_profile_with_measured_speed_moves_the_answer(model_folder: Callable[..., Path]) -> None:
    parts = compute(ask(model_folder(), gpu="H100"))
    own = Constant(name="speed_bandwidth", value=0.5, low=0.5, high=0.5, provenance="measured", source="here")
    hardware = parts.question.hardware
    profile = evolve(hardware.profile, constants=(*hardware.profile.constants, own))
    slow = compute(evolve(parts.question, hardware=evolve(hardware, profile=profile)))
    load = Workload(prompt_tokens=1000, gen_tokens=200)
    assert performance_of(slow, load).tpot_ms.expected > 1.6 * performance_of(parts, load).tpot_ms.expected


def test_max_num_seqs_caps_the_batch(model_folder: Callable[..., Path]) -> None:
    found = speed(model_folder(), concurrency=100, max_num_seqs=10)
    assert found.batch == 10
    assert any("max_num_seqs" in sentence for sentence in found.assumptions)


def test_what_does_not_fit_gets_the_speed_it_would_have_and_says_so(model_folder: Callable[..., Path]) -> None:
    found = speed(model_folder(num_hidden_layers=80), gpu="RTX 4090")
    assert found.tpot_ms.expected > 0
    assert any("no memory" in sentence for sentence in found.assumptions)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"enforce_eager": True}, "CUDA graphs"),
        ({"cpu_offload_gb": 4.0}, "PCIe"),
        ({"prompt_tokens": 9000}, "longer than max_model_len"),
        ({"gpu": "T4", "concurrency": 1}, "No published run"),
        ({"gpu": "B200"}, "Few published runs"),
        ({"speculative_config": {"method": "ngram", "num_speculative_tokens": 3}}, "Speculative"),
    ],
)
def test_assumptions_name_what_is_known_less_well(
    model_folder: Callable[..., Path], arguments: dict[str, Any], said: str
) -> None:
    assert any(said in sentence for sentence in speed(model_folder(), **arguments).assumptions)


@pytest.mark.parametrize(
    "arguments",
    [
        {"prompt_tokens": 0},
        {"gen_tokens": -1},
        {"concurrency": 2.5},
        {"concurrency": True},
        {"request_rate": 0.0},
        {"request_rate": float("inf")},
        {"request_rate": 2.0, "burst": True},
        {"request_rate": 2.0, "requests": 0},
        {"prefix_hit_rate": 1.5},
        {"prompt_tokens": 2**40},
        {"gpu": "no such card"},
        {"gpu": None, "gpu_memory_gib": 80},
        {"tensor_parallel_size": 3},
        {"no_such_argument": 1},
    ],
)
def test_bad_input_is_an_error_of_this_program(model_folder: Callable[..., Path], arguments: dict[str, Any]) -> None:
    with pytest.raises(VramError):
        speed(model_folder(), **arguments)


def test_a_model_that_generates_nothing_is_refused(model_folder: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match="generates no tokens"):
        speed(model_folder(architectures=["BertModel"], model_type="bert", max_position_embeddings=512))


@pytest.mark.parametrize("prompt", [1, 2**31])
@pytest.mark.parametrize("gen", [1, 2**31])
@pytest.mark.parametrize("concurrency", [1, 2**31])
def test_extremes_stay_finite(model_folder: Callable[..., Path], prompt: int, gen: int, concurrency: int) -> None:
    found = speed(model_folder(), prompt_tokens=prompt, gen_tokens=gen, concurrency=concurrency).to_dict()
    for name in RANGES:
        assert all(math.isfinite(value) and value >= 0 for value in found[name].values())


def test_thousands_of_answers_take_a_second(model_folder: Callable[..., Path]) -> None:
    from time import perf_counter

    parts = compute(ask(model_folder(), gpu="H100"))
    load = Workload(prompt_tokens=1000, gen_tokens=200, concurrency=2000)
    performance_of(parts, load)
    times = []
    for _ in range(20):
        began = perf_counter()
        performance_of(parts, load)
        times.append(perf_counter() - began)
    # a fifth of a millisecond where it was written
    assert min(times) < 2e-3


@pytest.mark.parametrize("arguments", [{"request_rate": 20.0}, {"burst": True, "concurrency": 500}])
def test_a_simulation_takes_milliseconds(model_folder: Callable[..., Path], arguments: dict[str, Any]) -> None:
    from time import process_time

    parts = compute(ask(model_folder(), gpu="H100"))
    load = Workload(prompt_tokens=1000, gen_tokens=200, **arguments)
    times = []
    for _ in range(5):
        began = process_time()
        performance_of(parts, load)
        times.append(process_time() - began)
    assert min(times) < 0.05
