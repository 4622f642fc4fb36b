"""What vLLM calls a router's method: `fused_moe/config.py:get_routing_method_type` (0.33.0), case by case."""

from __future__ import annotations

import pytest

from vram.architecture.mlp import moe, routing_method
from vram.models.parameters import Experts


@pytest.mark.parametrize(
    ("router", "name"),
    [
        ({}, "renormalize"),
        ({"renormalize": False}, "default"),
        ({"scoring": "sigmoid"}, "sigmoid_renorm"),
        ({"scoring": "sigmoid", "renormalize": False}, "sigmoid"),
        ({"biased": True}, "deepseek_v3"),
        ({"biased": True, "groups": 0}, "minimax2"),
        ({"biased": True, "renormalize": False}, "unspecified"),
        ({"biased": True, "scoring": "softmax"}, "unspecified"),
        ({"scoring": "sqrtsoftplus", "biased": True}, "deepseek_v4"),
    ],
)
def test_scores_bias_and_groups_name_the_method(router: dict[str, object], name: str) -> None:
    assert routing_method(**router) == name  # type: ignore[arg-type]


@pytest.mark.parametrize(("biased", "name"), [(False, "renormalize"), (True, "deepseek_v3")])
def test_experts_are_routed_as_usual_unless_a_family_says_otherwise(biased: bool, name: str) -> None:
    part = moe(hidden_size=64, num_experts=8, intermediate_size=32, top_k=2, correction_bias=biased)

    assert [module.routing for module in part.modules if isinstance(module, Experts)] == [name]
