"""The table of what vLLM registers, and the configs by which each architecture is asked about."""

from __future__ import annotations

from tests.conformance import registry
from tests.docs.architectures import VERSION

KNOWN = registry.architectures(VERSION)


def test_every_question_is_about_a_registered_architecture() -> None:
    assert {answer["id"] for answer in registry.answers()} <= set(KNOWN)


def test_a_config_made_like_another_has_its_own_name_and_its_own_fields() -> None:
    made, other = registry.config("NemotronH_Omni_Reasoning_V3"), registry.config("NemotronH_Nano_VL_V2")
    assert made["architectures"] == ["NemotronH_Omni_Reasoning_V3"]
    assert {**made, "architectures": ["NemotronH_Nano_VL_V2"]} == other


def test_a_set_field_reaches_into_sections_and_leaves_the_other_config_alone() -> None:
    changed, other = registry.config("ClefFlashForJointSchema"), registry.config("Qwen3_5ForConditionalGeneration")
    assert "joint_head_config" in changed
    assert "joint_head_config" not in other
