"""What must hold for every model and deployment, whatever the numbers are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.metadata import entry_points
from typing import Any

import pytest
from attrs import evolve
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import vram
from vram.checkpoint.catalog import list_catalog
from vram.checkpoint.quantization_block import block_of
from vram.errors import ParallelismError, VramError
from vram.models.checkpoint import Checkpoint
from vram.models.config import ModelConfig
from vram.models.contract import estimate_from_dict
from vram.models.estimate import Estimate
from vram.plugin import manager
from vram.plugin.manager import Plugins

LLAMA = {
    "architectures": ["LlamaForCausalLM"], "torch_dtype": "bfloat16", "hidden_size": 4096, "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256, "max_position_embeddings": 131072,
}  # fmt: skip
#: window, latent, state, sparse and encoder caches among them
VARIED = (
    "Qwen3ForCausalLM", "Gemma3ForConditionalGeneration", "DeepseekV3ForCausalLM", "Qwen3NextForCausalLM", "GptOssForCausalLM",
    "Qwen3MoeForCausalLM", "NemotronHForCausalLM", "Llama4ForConditionalGeneration", "MixtralForCausalLM", "Phi3ForCausalLM",
    "WhisperForConditionalGeneration",
)  # fmt: skip
some = settings(max_examples=int(os.environ.get("VRAM_INVARIANT_EXAMPLES", "60")), deadline=None)


def checkpoint_of(config: dict[str, Any]) -> Checkpoint:
    read = ModelConfig(raw=config)
    return Checkpoint(id="test", source="local", config=read, quantization=block_of(read))


@cache
def catalog() -> dict[str, Checkpoint]:
    found: dict[str, Checkpoint] = {}
    for model in sorted(list_catalog(), key=lambda model: bool(model.quantization_block)):
        if model.architecture in VARIED:
            block = {"quantization_config": model.quantization_block} if model.quantization_block else {}
            found.setdefault(model.architecture, checkpoint_of({**model.config, **block}))
    return found


models = st.sampled_from(VARIED).filter(lambda name: name in catalog()).map(lambda name: catalog()[name])
lengths = st.integers(1, 2**17)
gpus = st.sampled_from(("H100", "H200", "B200", "RTX 4090", "L4", "A100 80GB"))
versions = st.sampled_from(("0.9.2", "0.11.2", "0.14.1", "0.20.1", "0.27.0", "0.33.0"))


def estimated(model: Checkpoint, **arguments: Any) -> Estimate:
    """An estimate; combinations that vLLM cannot even read are no examples."""
    try:
        return vram.estimate(model, **arguments)
    except VramError:
        assume(False)
        raise


def formats_run(estimate: Estimate) -> bool:
    """Whether the GPU and the version have what the model is stored in; limits are about memory alone."""
    formats = ("quantization", "dtype", "kv_cache_dtype")
    return all(check.passed for check in estimate.verdict.checks if check.name in formats)


@some
@given(models, gpus, versions, lengths, lengths)
def test_a_longer_context_never_needs_less(model: Checkpoint, gpu: str, version: str, a: int, b: int) -> None:
    short, long = (
        estimated(model, gpu=gpu, vllm_version=version, max_model_len=n, max_num_batched_tokens=8192)
        for n in sorted((a, b))
    )
    assert short.memory.kv_cache_required.expected <= long.memory.kv_cache_required.expected
    assert short.memory.weights == long.memory.weights
    assert short.memory.headroom.expected >= long.memory.headroom.expected


@some
@given(models, gpus, versions, lengths, st.integers(1, 500), st.integers(1, 500))
def test_more_users_never_need_less(model: Checkpoint, gpu: str, version: str, length: int, a: int, b: int) -> None:
    few, many = (
        estimated(model, gpu=gpu, vllm_version=version, max_model_len=length, concurrency=n) for n in sorted((a, b))
    )
    assert few.memory.kv_cache_required.expected <= many.memory.kv_cache_required.expected
    assert few.limits.max_context_at_concurrency >= many.limits.max_context_at_concurrency
    assert few.limits.max_concurrency_at_context == many.limits.max_concurrency_at_context
    assert few.kv_cache == many.kv_cache


@some
@given(st.integers(1, 100), st.integers(1, 100), st.sampled_from((1, 2, 4, 8)))
def test_more_layers_never_take_less(a: int, b: int, tp: int) -> None:
    less, more = (
        estimated(
            checkpoint_of({**LLAMA, "num_hidden_layers": n}), gpu="H100", tensor_parallel_size=tp, max_model_len=4096
        )
        for n in sorted((a, b))
    )
    assert less.memory.weights.expected <= more.memory.weights.expected
    assert less.kv_cache.bytes_per_token <= more.kv_cache.bytes_per_token
    assert less.kv_cache.num_blocks >= more.kv_cache.num_blocks
    assert less.memory.cuda_graphs.expected <= more.memory.cuda_graphs.expected


@some
@given(models, st.sampled_from((2, 4, 8, 16)), st.booleans())
def test_tensor_parallel_ranks_together_hold_at_least_the_whole(
    model: Checkpoint, tp: int, expert_parallel: bool
) -> None:
    whole = estimated(model, gpu="H200", max_model_len=4096)
    shared = estimated(
        model, gpu="H200", max_model_len=4096, tensor_parallel_size=tp, enable_expert_parallel=expert_parallel
    )
    assert shared.ranks[0].parameter_bytes * tp >= whole.ranks[0].parameter_bytes
    assert shared.ranks[0].weights_bytes * tp >= whole.ranks[0].weights_bytes
    assert shared.kv_cache.bytes_per_token * tp >= whole.kv_cache.bytes_per_token
    assert shared.memory.weights.expected <= whole.memory.weights.expected + 4 * 2**20  # expert maps come on top


@some
@given(st.integers(2, 64), st.integers(1, 16), st.sampled_from((1, 2, 4)))
def test_pipeline_ranks_add_up_to_the_whole(layers: int, pp: int, tp: int) -> None:
    assume(pp <= layers)
    model = checkpoint_of({**LLAMA, "num_hidden_layers": layers})
    arguments: dict[str, Any] = {"gpu": "H100", "max_model_len": 4096, "tensor_parallel_size": tp}
    whole = estimated(model, **arguments)
    parts = estimated(model, **arguments, pipeline_parallel_size=pp)
    rotary = 131072 * 128 * 2  # the cos/sin table, (positions, head size) in bfloat16, which every rank has
    assert sum(r.parameter_bytes for r in parts.ranks) == whole.ranks[0].parameter_bytes + (pp - 1) * rotary
    assert sum(r.weights_bytes for r in parts.ranks) == whole.ranks[0].weights_bytes + (pp - 1) * rotary
    assert sum(r.cache_layers for r in parts.ranks) == layers


@some
@given(models, gpus, versions, st.integers(1, 64))
def test_the_largest_context_fits_and_one_block_more_does_not(
    model: Checkpoint, gpu: str, version: str, users: int
) -> None:
    fixed: dict[str, Any] = {
        "gpu": gpu,
        "vllm_version": version,
        "concurrency": users,
        "max_num_batched_tokens": 8192,
        "max_num_seqs": 64,
    }
    asked = estimated(model, **fixed)
    longest = asked.limits.max_context_at_concurrency
    assume(longest > 0 and formats_run(asked))
    at = estimated(model, **fixed, max_model_len=longest)
    assert at.verdict.fits, (longest, at.verdict)
    more = longest + at.kv_cache.block_size
    assume(more <= at.model.max_model_len)
    assert not estimated(model, **fixed, max_model_len=more).verdict.fits


@some
@given(models, gpus, versions, lengths)
def test_the_most_users_fit_and_one_more_does_not(model: Checkpoint, gpu: str, version: str, length: int) -> None:
    fixed: dict[str, Any] = {"gpu": gpu, "vllm_version": version, "max_model_len": length}
    asked = estimated(model, **fixed)
    assume(asked.verdict.starts and asked.kv_cache.groups and formats_run(asked))
    most = asked.limits.max_concurrency_at_context
    if most:
        assert estimated(model, **fixed, concurrency=most).verdict.fits
    if most < 10**6:
        assert not estimated(model, **fixed, concurrency=most + 1).verdict.fits


@some
@given(models, gpus, versions, lengths, st.integers(1, 64), st.sampled_from((1, 2)))
def test_an_answer_read_back_from_json_is_the_same(
    model: Checkpoint, gpu: str, version: str, length: int, users: int, tp: int
) -> None:
    answer = estimated(
        model, gpu=gpu, vllm_version=version, max_model_len=length, concurrency=users, tensor_parallel_size=tp
    )
    text = json.dumps(answer.to_dict(), allow_nan=False)
    assert estimate_from_dict(json.loads(text)) == evolve(answer, explanation=())


def test_json_that_is_no_estimate_is_refused_with_the_place() -> None:
    content = vram.estimate(checkpoint_of(LLAMA), gpu="H100").to_dict()
    content["memory"]["budget_bytes"] = "much"
    with pytest.raises(VramError, match="budget_bytes"):
        estimate_from_dict(content)
    with pytest.raises(VramError, match="must be 1"):
        estimate_from_dict({**content, "schema_version": 2})


@some
@given(models, gpus, lengths, st.integers(1, 64))
def test_every_interval_is_in_order(model: Checkpoint, gpu: str, length: int, users: int) -> None:
    memory = estimated(model, gpu=gpu, max_model_len=length, concurrency=users).memory
    for part in (
        memory.weights, memory.activation_peak, memory.cuda_graphs, memory.non_torch, memory.kv_cache_available, memory.headroom,
    ):  # fmt: skip
        assert part.low <= part.expected <= part.high


PROGRAM = """
import json, sys, vram
print(json.dumps(vram.estimate("Qwen/Qwen3-30B-A3B", gpu="H100", tensor_parallel_size=2, max_model_len=8192).to_dict()))
print(json.dumps(vram.estimate("google/gemma-3-27b-it", gpu="L40S").to_dict()))
try:
    vram.estimate("Qwen/Qwen3-8B", gpu="H1000")
except vram.VramError as error:
    print(error)
"""


def test_locale_timezone_and_hash_seed_change_nothing() -> None:
    answers = set()
    for environment in (
        {"PYTHONHASHSEED": "1", "LC_ALL": "C", "TZ": "UTC"},
        {"PYTHONHASHSEED": "2", "LC_ALL": "de_DE.UTF-8", "TZ": "Pacific/Kiritimati"},
        {"PYTHONHASHSEED": "77", "LC_ALL": "tr_TR.UTF-8", "TZ": "America/St_Johns", "PYTHONUTF8": "1"},
    ):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, **environment, "HF_HUB_OFFLINE": "1"},
            capture_output=True,
            check=True,
        )
        answers.add(done.stdout)
    assert len(answers) == 1


def test_the_order_of_plugins_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    found = list(entry_points(group="vram"))
    answers = []
    for order in (found, found[::-1], sorted(found, key=lambda e: e.name[::-1])):
        monkeypatch.setattr(manager, "_current", Plugins(order, disabled=()))
        answers.append(vram.estimate(checkpoint_of(LLAMA), gpu="H100", max_model_len=8192).to_dict())
    assert answers[0] == answers[1] == answers[2]


def test_threads_get_the_same_answers_as_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    questions = [(name, length) for name in sorted(catalog()) for length in (1024, 4096, 32768)]

    def ask(question: tuple[str, int]) -> dict[str, Any] | str:
        try:
            return vram.estimate(catalog()[question[0]], gpu="H200", max_model_len=question[1]).to_dict()
        except VramError as error:
            return str(error)

    monkeypatch.setattr(manager, "_current", None)  # the threads discover plugins at the same time, too
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(ask, questions * 3))
    assert together == [ask(question) for question in questions] * 3


def test_processes_side_by_side_get_the_same_answer() -> None:
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, env={**os.environ, "HF_HUB_OFFLINE": "1"}
        )
        for _ in range(3)
    ]
    assert len({process.communicate()[0] for process in running}) == 1


def test_heads_that_do_not_divide_are_refused_by_name() -> None:
    with pytest.raises(ParallelismError, match=r"tensor.parallel"):
        vram.estimate(checkpoint_of(LLAMA), gpu="H100", tensor_parallel_size=3)
