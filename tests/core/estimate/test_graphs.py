"""CUDA graphs: captured and charged."""

from __future__ import annotations

import pytest

from vram.estimate.graphs import graph_memory
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
