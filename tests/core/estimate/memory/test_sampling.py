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


def test_the_triton_kernels_scratch_is_of_0_17_to_0_21(make_run):
    # one fp32 row per multiprocessor, or per request where there are fewer
    scratch = {
        version: sampler_peak(make_run(version=version)).expected - 14 * 1024 * 128256 - HIDDEN
        for version in ((0, 17, 0), (0, 21, 0), (0, 22, 0))
    }
    assert scratch == {(0, 17, 0): 132 * 128256 * 4, (0, 21, 0): 132 * 128256 * 4, (0, 22, 0): 0}
    few = sampler_peak(make_run(rows=100)).expected
    assert few == 14 * 100 * 128256 + 100 * 128256 * 4 + HIDDEN
    smaller = sampler_peak(make_run(sms=60)).expected  # an L4 has 60 multiprocessors
    assert smaller == 14 * 1024 * 128256 + 60 * 128256 * 4 + HIDDEN


def test_the_ends_of_sorting_are_the_constants(make_run):
    # 37.7 to 38.9 bytes a logit where nothing else was measured
    peak = sampler_peak(make_run(version=(0, 16, 0)))
    logits = 1024 * 128256
    assert (peak.low, peak.high) == (int(37.7 * logits) + HIDDEN, int(38.9 * logits) + HIDDEN)


def test_flashinfer_may_sample_from_0_8_to_0_11_0(make_run):
    # an fp32 copy and probabilities besides the 2 of the logits: 2 + 8; V0 before and PyTorch's sort after are no question
    logits = 1024 * 128256
    for version, low in (((0, 7, 3), 37.7), ((0, 8, 0), 10), ((0, 11, 0), 10), ((0, 11, 1), 37.7)):
        assert sampler_peak(make_run(version=version)).low == int(low * logits) + HIDDEN, version
    assert sampler_peak(make_run(version=(0, 9, 0), item=4)).low == 12 * logits + 2 * HIDDEN


def test_drafts_are_sampled_besides_whatever_the_sampler(make_run):
    # 6 bytes per draft logit on both ends; the V2 runner has them in its own count
    logits = 1024 * 128256
    for version in ((0, 16, 0), (0, 19, 0)):
        plain, drafted = (sampler_peak(make_run(version=version, speculative_tokens=n)) for n in (0, 1))
        for end in ("low", "expected", "high"):
            assert getattr(drafted, end) - getattr(plain, end) == 6 * logits
    v2 = {"version": (0, 33, 0), "v2_runner": True}
    assert sampler_peak(make_run(**v2, speculative_tokens=2)) == sampler_peak(make_run(**v2))
