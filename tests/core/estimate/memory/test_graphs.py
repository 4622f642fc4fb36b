"""CUDA graphs: captured and charged."""

from __future__ import annotations

import pytest

from vram.estimate.memory.activations import passing_peak
from vram.estimate.memory.graphs import graph_memory
from vram.units import GIB


def test_eager_mode_captures_nothing(make_run):
    memory = graph_memory(make_run(eager=True))
    assert memory.captured.expected == memory.charged.expected == 0


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
    assert extrapolated.charged.expected == pytest.approx(0.67 * extrapolated.captured.expected, rel=1e-6)
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
