"""CUDA graphs: captured and charged."""

from __future__ import annotations

import pytest

import vram
from vram.estimate.memory.activations import passing_peak
from vram.estimate.memory.graphs import graph_memory
from vram.units import GIB, MIB
from vram.vllm.capture import GraphChoice


def test_eager_mode_captures_nothing(make_run):
    memory = graph_memory(make_run(graphs=GraphChoice(piecewise=False, full=False, compiled=False)))
    assert memory.captured.expected == memory.charged.expected == 0


@pytest.mark.parametrize(("tp", "known"), [(1, "measured"), (2, "assumed")])
def test_what_nccl_would_keep_does_not_weaken_what_is_known_of_one_gpu(tp, known):
    # graphs of Ampere are measured; the part per reduction is assumed, and there is none without NCCL
    estimate = vram.estimate("Qwen/Qwen3-8B", gpu="A10", tensor_parallel_size=tp, vllm_version="0.19.1")
    assert estimate.memory.cuda_graphs.provenance == known


def test_captured_grows_with_layers_and_sizes(make_run):
    # 51 piecewise + 51 full sizes: 0.03 + 0.417 + 32 × 5.4 MiB = 0.616 GiB
    full = graph_memory(make_run()).captured.expected
    assert full / GIB == pytest.approx(0.03 + 0.417 + 32 * 5.4 / 1024, abs=0.001)
    deeper = graph_memory(make_run(shapes={"layers": 64})).captured.expected
    fewer = graph_memory(make_run(rows=4, max_num_seqs=4)).captured.expected
    assert fewer < full < deeper


def test_charged_since_0_20_only(make_run):
    assert graph_memory(make_run()).charged.expected == 0
    extrapolated = graph_memory(make_run(version=(0, 20, 0)))
    # two graphs of each mode are measured, the other 98 are guessed from the second
    share = (4 + 98 * 0.67) / 102
    assert extrapolated.charged.expected == pytest.approx(share * extrapolated.captured.expected, rel=1e-6)
    measured = graph_memory(make_run(version=(0, 29, 0), v2_runner=True))
    assert measured.charged == measured.captured
    assert graph_memory(make_run(version=(0, 28, 0), v2_runner=True)).charged.expected == 0


def test_the_log_hides_what_warm_up_gives_back_in_0_11_to_0_16_on_hopper(make_run):
    # FlashInfer's autotuning leaves one forward of the batch cached, which the first captured graph releases
    run = make_run(version=(0, 14, 1), capability=(9, 0))
    memory = graph_memory(run)
    assert memory.logged.expected == max(0, memory.captured.expected - passing_peak(run).expected)
    assert memory.logged.high == memory.captured.high


@pytest.mark.parametrize(("version", "capability"), [((0, 14, 1), (8, 9)), ((0, 17, 0), (9, 0)), ((0, 10, 2), (9, 0))])
def test_elsewhere_the_log_shows_all_that_capture_takes(make_run, version, capability):
    memory = graph_memory(make_run(version=version, capability=capability))
    assert memory.logged == memory.captured


def test_before_0_11_a_graph_costs_more_and_there_are_67(make_run):
    # piecewise only: 67 sizes are the reference; 0.03 + 0.29 GiB + 32 × 8.7 MiB
    before = graph_memory(make_run(version=(0, 10, 2))).captured.expected
    assert before == pytest.approx((0.03 + 0.29) * GIB + 32 * 8.7 * MIB, abs=2)
    # 0.11.0 captures 67 + 67 where 51 + 51 are the reference: 0.03 + 134 / 102 × (0.417 GiB + 32 × 5.4 MiB)
    since = graph_memory(make_run(version=(0, 11, 0))).captured.expected
    assert since == pytest.approx(0.03 * GIB + 134 / 102 * (0.417 * GIB + 32 * 5.4 * MIB), abs=2)


def test_each_kind_of_layer_adds_its_own(make_run):
    # measured per layer at 51 + 51 sizes: gated delta net 20.5 MiB, Mamba 6.1, latent attention 25.6
    plain = graph_memory(make_run()).captured.expected
    for kind, per_layer in (("gated_delta_layers", 20.5), ("mamba_layers", 6.1), ("latent_layers", 25.6)):
        more = graph_memory(make_run(shapes={kind: 10})).captured.expected
        assert more - plain == pytest.approx(10 * per_layer * MIB, abs=2)
        halved = graph_memory(make_run(shapes={kind: 10}, pp=2)).captured.expected
        assert halved - graph_memory(make_run(pp=2)).captured.expected == pytest.approx(5 * per_layer * MIB, abs=2)


def test_a_share_of_the_sizes_takes_a_share_of_the_memory(make_run):
    # 4 requests: {1, 2, 4, 8} piecewise and {1, 2, 4} full are 7 of 102
    few = graph_memory(make_run(rows=4, max_num_seqs=4)).captured.expected
    assert few == pytest.approx(0.03 * GIB + 7 / 102 * (0.417 * GIB + 32 * 5.4 * MIB), abs=2)


def test_captured_and_charged_may_be_off_by_two_fifths(make_run):
    memory = graph_memory(make_run(version=(0, 20, 0)))
    for part in (memory.captured, memory.charged):
        assert (part.expected - part.low, part.high - part.expected) == (pytest.approx(0.4 * part.expected, abs=1),) * 2


def test_speculative_tokens_lengthen_the_decode_batch(make_run):
    # 4 requests of 1 + 2 tokens: {1, 2, 4, 8, 16, 24} and full of whole requests, {3, 6, 9}: 9 of 102 instead of 7
    plain, drafted = (graph_memory(make_run(rows=4, max_num_seqs=4, speculative_tokens=n)) for n in (0, 2))
    assert drafted.captured.expected - plain.captured.expected == pytest.approx(
        2 / 102 * (0.417 * GIB + 32 * 5.4 * MIB), abs=2
    )


def test_the_log_of_the_first_and_the_last_version_that_tunes_before_capture(make_run):
    small = {"tokens": 512, "rows": 64}  # a forward of less than what capture takes: 67 MB
    for version, hides in (((0, 10, 2), False), ((0, 11, 0), True), ((0, 16, 0), True), ((0, 17, 0), False)):
        run = make_run(version=version, **small)
        memory = graph_memory(run)
        assert (memory.logged != memory.captured) is hides, version
        if hides:
            released = passing_peak(run)
            assert memory.logged.expected == memory.captured.expected - released.expected
            assert memory.logged.low == memory.captured.low - released.high
            assert memory.logged.high == memory.captured.high


def test_what_the_log_hides_never_makes_it_negative(make_run):
    logged = graph_memory(make_run(version=(0, 14, 1))).logged  # a forward of 1 GiB, graphs of 0.6
    assert (logged.low, logged.expected) == (0, 0)


def test_nccl_keeps_memory_for_every_reduction_in_a_graph(make_run):
    # 0.12 on two RTX 5070 Ti: 36 layers, 19 piecewise and 11 full graphs; 0.33 GiB more than on one were logged
    sizes = {"rows": 64, "max_num_seqs": 64, "version": (0, 12, 0), "capability": (12, 0), "shapes": {"layers": 36}}
    alone, two = (graph_memory(make_run(**sizes, tp=2, nccl=nccl)).captured for nccl in (False, True))
    assert two.expected - alone.expected == pytest.approx(30 * 73 * 0.15 * MIB, abs=2)
    assert (two.low - alone.low) / GIB < 0.33 < (two.high - alone.high) / GIB


def test_vllm_charges_what_nccl_keeps_as_it_measures_free_memory(make_run):
    # V2 measures since 0.29; V1 two graphs of each mode, and of the modes' first graphs it counts the larger
    pcie = {"nccl": True, "tp": 2, "shapes": {"layers": 36}}
    measured = graph_memory(make_run(**pcie, version=(0, 33, 0), v2_runner=True))
    assert measured.charged == measured.captured
    assert measured.beyond.expected == 0
    alone = graph_memory(make_run(**pcie | {"nccl": False}, version=(0, 24, 0)))
    reduced = graph_memory(make_run(**pcie, version=(0, 24, 0)))
    kept = reduced.captured.expected - alone.captured.expected
    assert reduced.charged.expected - alone.charged.expected == pytest.approx(kept * 101 / 102, abs=2)


def test_what_capture_takes_beyond_the_charge_is_not_in_doubt_by_what_nccl_keeps(make_run):
    for version, v2 in (((0, 24, 0), False), ((0, 33, 0), True)):
        graphs = [graph_memory(make_run(version=version, v2_runner=v2, nccl=nccl, tp=2)) for nccl in (False, True)]
        alone, reduced = (each.beyond.high - each.beyond.low for each in graphs)
        assert reduced == alone
    unreserved = graph_memory(make_run(version=(0, 19, 1), nccl=True, tp=2))
    assert unreserved.beyond == unreserved.captured


def test_graphs_of_what_is_not_compiled_have_more_kernels(make_run):
    # DeepSeek-V4-Pro under 0.20.2, compilation mode 0 and full decode graphs: 1.57 GiB logged, 1.15 where it is compiled
    decode = {"piecewise": False, "full": True}
    compiled, plain = (
        graph_memory(make_run(version=(0, 20, 2), graphs=GraphChoice(**decode, compiled=each))).captured
        for each in (True, False)
    )
    fixed = 0.03 * GIB
    assert (plain.expected - fixed) / (compiled.expected - fixed) == pytest.approx(1.4, abs=0.01)


def test_v2_graphs_keep_more_per_layer(make_run):
    # A40 under a build near 0.26, Qwen2.5-7B: 0.54 GiB with 28 layers, 0.38 with 14; 51 piecewise and 35 full graphs
    a40 = {"version": (0, 26, 0), "v2_runner": True, "rows": 256, "max_num_seqs": 256, "capability": (8, 6)}
    for layers, logged in ((28, 0.54), (14, 0.38)):
        taken = graph_memory(make_run(**a40, shapes={"layers": layers})).captured.expected / GIB
        assert taken == pytest.approx(logged, abs=0.02)
