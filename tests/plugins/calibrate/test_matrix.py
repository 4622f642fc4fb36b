"""The designed matrix: each cause varies on its own, and vLLM would take every trial."""

from __future__ import annotations

import json

import vram
from vram_plugins.calibrate.matrix import trials


def test_more_gpus_add_tensor_parallel_trials():
    sizes = {
        count: [t.tensor_parallel_size for t in trials(count) if t.tensor_parallel_size > 1] for count in (1, 2, 4, 8)
    }
    assert sizes == {1: [], 2: [2], 4: [2, 4], 8: [2, 4, 8]}


def test_the_causes_vary_on_their_own():
    by_name = {trial.name: trial for trial in trials(1)}
    eager, vocabulary, sequences = (by_name[n] for n in ("eager", "eager-vocab", "eager-seqs"))
    assert vocabulary.config["vocab_size"] > eager.config["vocab_size"]
    assert {**vocabulary.config, "vocab_size": 0} == {**eager.config, "vocab_size": 0}
    assert (sequences.config, sequences.max_num_batched_tokens) == (
        vocabulary.config,
        vocabulary.max_num_batched_tokens,
    )
    assert sequences.max_num_seqs > vocabulary.max_num_seqs


def test_gpus_without_bfloat16_get_float16():
    assert {trial.engine_args["dtype"] for trial in trials(1, capability=(7, 5))} == {"float16"}


def test_every_trial_starts_on_a_gpu_of_16_gib(tmp_path):
    for trial in trials(2):
        (tmp_path / "config.json").write_text(json.dumps(trial.config))
        estimate = vram.estimate(tmp_path, gpu="RTX 4080", vllm_version="0.33.0", **trial.engine_args)
        assert estimate.verdict.starts, trial.name
