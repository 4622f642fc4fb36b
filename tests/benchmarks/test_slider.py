"""A move of a slider shows its result within 150 ms of work: the whole answer with plots, as the page asks for it.

pytest -s tests/benchmarks/test_slider.py
"""

import statistics
import time

import pytest

from vram_plugins.web.answers import shown
from vram_plugins.web.fragment import answer_markup

BUDGET = 0.150  # seconds
MOVES = 25


@pytest.mark.parametrize(
    "model", ["Qwen/Qwen3-8B", "google/gemma-3-27b-it", "openai/gpt-oss-120b", "deepseek-ai/DeepSeek-V3"]
)
@pytest.mark.parametrize("slider", ["max_model_len", "concurrency"])
def test_a_slider_answers_within_its_budget(model, slider, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    state = {"model": model, "gpu": "H200", "tensor_parallel_size": "8", "max_model_len": "8192"}
    answer_markup(shown(state), state)  # the first answer reads the model
    seconds = []

    for move in range(MOVES):
        moved = {**state, slider: str(4096 + 320 * move if slider == "max_model_len" else 1 + 3 * move)}
        start = time.perf_counter()
        markup = answer_markup(shown(moved), moved)
        seconds.append(time.perf_counter() - start)
        assert "headline" in markup

    print(f"\n{model} {slider}: median {statistics.median(seconds) * 1000:.0f} ms, worst {max(seconds) * 1000:.0f} ms")
    assert statistics.median(seconds) < BUDGET
