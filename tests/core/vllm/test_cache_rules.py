"""The KV planner's rules, each at the first wheel in which vLLM's planning code has it."""

from __future__ import annotations

from typing import Any

import pytest

from vram.vllm.cache_rules import cache_rules
from vram.vllm.versions import Version


@pytest.mark.parametrize(
    ("rule", "spans"),
    [
        # (first version of the span, value), read in `v1/core/kv_cache_utils.py` of each minor version
        ("window_groups", [((0, 6, 6), False), ((0, 9, 1), True)]),
        ("chunk_groups", [((0, 9, 2), False), ((0, 10, 0), True), ((0, 10, 2), False), ((0, 14, 0), True)]),
        ("uniform_type", [((0, 10, 2), False), ((0, 11, 0), True)]),
        ("interleaved", [((0, 10, 2), False), ((0, 11, 0), True)]),
        ("mixed_group_spans_ranks", [((0, 10, 2), False), ((0, 11, 0), True), ((0, 17, 0), False)]),
        ("need", [((0, 13, 0), "layers"), ((0, 14, 0), "first_group"), ((0, 19, 0), "groups")]),
        ("need_per_rank", [((0, 13, 0), True), ((0, 14, 0), False), ((0, 17, 0), True)]),
        (
            "packing",
            [((0, 19, 1), "none"), ((0, 20, 0), "tuples"), ((0, 23, 0), "slots"), ((0, 27, 0), "dense"), ((0, 29, 0), "layout")],
        ),
        ("override_is_memory", [((0, 20, 0), False), ((0, 20, 1), True)]),
        ("aligned_states", [((0, 27, 1), False), ((0, 28, 0), True)]),
        ("speculation_adds_to_all", [((0, 24, 0), False), ((0, 25, 0), True)]),
        ("mamba2_checkpoints", [((0, 31, 0), False), ((0, 32, 0), True)]),
        ("delta_net_checkpoints", [((0, 32, 0), False), ((0, 33, 0), True)]),
        ("latent_hybrid_block", [((0, 19, 1), 64), ((0, 20, 0), 16), ((0, 27, 0), 128)]),
        ("paged_states", [((0, 9, 1), False), ((0, 9, 2), True)]),
        ("window_blocks", [((0, 24, 0), "shared"), ((0, 25, 0), "smallest"), ((0, 30, 0), "fitting")]),
        ("checks_state_blocks", [((0, 18, 1), False), ((0, 19, 0), True)]),
        ("concurrency_from_tokens", [((0, 9, 0), True), ((0, 9, 1), False)]),
        ("counts_speculative_states", [((0, 14, 1), False), ((0, 15, 0), True)]),
    ],
)  # fmt: skip
def test_a_rule_holds_from_its_first_wheel_to_the_next_change(rule: str, spans: list[tuple[Version, Any]]) -> None:
    for version, value in spans:
        assert getattr(cache_rules(version), rule) == value, version
    assert getattr(cache_rules((0, 33, 0)), rule) == spans[-1][1]
