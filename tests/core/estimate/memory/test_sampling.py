"""Sampling in the profile run."""

from __future__ import annotations

from vram.estimate.memory.sampling import sampler_peak, sampler_state_bytes

HIDDEN = 8192 * 4096 * 2  # the forward's hidden states, bf16


def test_triton_sampler_holds_fourteen_bytes_per_logit_and_its_scratch(make_run):
    # logits 2, fp32 copy 4, probabilities 4, noise 4; scratch: 132 multiprocessors × vocabulary × fp32
    expected = 14 * 1024 * 128256 + 132 * 128256 * 4 + HIDDEN
    assert sampler_peak(make_run()).expected == expected


def test_small_batches_and_old_versions_sort(make_run):
    # measured: 38.2 bytes per logit
    old = sampler_peak(make_run(version=(0, 16, 0)))
    assert old.expected == int(38.2 * 1024 * 128256) + HIDDEN
    few = sampler_peak(make_run(rows=4, max_num_seqs=4))
    assert few.expected == int(38.2 * 4 * 128256) + HIDDEN


def test_flashinfer_or_not_is_an_open_question_up_to_0_11_0(make_run):
    open_question, settled = sampler_peak(make_run(version=(0, 11, 0))), sampler_peak(make_run(version=(0, 11, 2)))
    assert open_question.low <= 14 * 1024 * 128256 + HIDDEN
    assert settled.low > 30 * 1024 * 128256


def test_v2_runner_profiles_the_logits_only_until_0_33(make_run):
    before = sampler_peak(make_run(version=(0, 32, 0), v2_runner=True))
    after = sampler_peak(make_run(version=(0, 33, 0), v2_runner=True))
    assert before.expected == 2 * 1024 * 128256 + HIDDEN
    assert after.expected == 14 * 1024 * 128256 + HIDDEN


def test_fp32_logits_are_not_copied(make_run):
    # 4 + 4 + 4 bytes per logit, hidden states in fp32
    expected = 12 * 1024 * 128256 + 132 * 128256 * 4 + 2 * HIDDEN
    assert sampler_peak(make_run(item=4)).expected == expected


def test_pooling_models_do_not_sample(make_run):
    assert sampler_peak(make_run(generates=False)).expected == 0


def test_v2_sampler_state_is_dominated_by_the_output_counts(make_run):
    # vllm-memory facts: 1024 × 151936 × 4 = 593.5 MiB of counts and 18.5 MiB for each bitmap of one bit per entry
    state = sampler_state_bytes(make_run(v2_runner=True, shapes={"vocabulary": 151936}))
    counts, bitmaps = 1024 * 151936 * 4, 2 * 1024 * 18992
    words = 1024 * (16384 + 516)
    tables = 2 * 1024 * 512 * 4  # 8192 / 16 = 512 blocks, already a multiple of 128
    assert state == counts + bitmaps + words + tables
    assert sampler_state_bytes(make_run()) == 0
