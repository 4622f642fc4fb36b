"""Sizes of images as the user gives them: the arithmetic of vLLM 0.33.0's `qwen2_vl.py` and `dummy_inputs.py`, by hand."""

from __future__ import annotations

from typing import Any

import pytest

from vram.architecture.items import items_of
from vram.ask.answering import answer
from vram.ask.asking import ask
from vram.checkpoint.catalog import find
from vram.errors import InputError
from vram.models.deployment import EngineArgs
from vram.models.spec import Encoder


def asked(model: str, **args: Any) -> Any:
    checkpoint = find(model)
    assert checkpoint is not None
    return ask(checkpoint, gpu="H200", **args)


def image(model: str, **args: Any) -> Encoder:
    return next(one for one in asked(model, **args).spec.encoders if one.modality == "image")


def kwargs(given: dict[str, Any]) -> dict[str, Any]:
    return {"mm_processor_kwargs": given}


QWEN2_5 = "Qwen/Qwen2.5-VL-7B-Instruct"


@pytest.mark.parametrize(
    ("model", "given", "tokens"),
    [
        (QWEN2_5, {}, 16384),  # 12,845,056 pixels of 28 × 28 an embedding
        (QWEN2_5, {"max_pixels": 1003520}, 1280),
        (QWEN2_5, {"size": {"longest_edge": 1003520}}, 1280),
        (QWEN2_5, {"images_kwargs": {"max_pixels": 1003520}}, 1280),
        (QWEN2_5, {"min_pixels": 3136}, 16384),
        ("Qwen/Qwen3-VL-30B-A3B-Instruct", {"max_pixels": 1048576}, 1024),  # of 32 × 32
        ("google/gemma-3-12b-it", {"do_pan_and_scan": True}, 5 * 256),  # the whole and four crops
        ("google/gemma-3-12b-it", {"do_pan_and_scan": True, "pan_and_scan_max_num_crops": 2}, 3 * 256),
    ],
)
def test_what_the_processor_is_told_moves_the_largest_image(model: str, given: dict[str, Any], tokens: int) -> None:
    assert image(model, **kwargs(given)).max_item_tokens == tokens


def limits(**size: int) -> dict[str, Any]:
    return {"limit_mm_per_prompt": {"image": {"count": 1, **size}, "video": 0}}


@pytest.mark.parametrize(
    ("size", "tokens"),
    [
        ({"width": 512, "height": 512}, 18 * 18),  # 512 / 28 = 18.3
        ({"width": 280}, 10 * 128),  # the largest is 128 × 128 embeddings
        ({"width": 99999, "height": 99999}, 16384),  # never more than the largest
        ({"width": 28, "height": 28}, 4),  # smaller images are enlarged to 56 × 56 pixels
    ],
)
def test_a_width_and_height_move_the_image_that_is_profiled(size: dict[str, int], tokens: int) -> None:
    found = image(QWEN2_5, **limits(**size))
    assert (found.max_item_tokens, found.profiled_tokens) == (16384, tokens)


def test_smaller_images_leave_more_memory() -> None:
    whole, small = (answer(asked(QWEN2_5, **limits(**size))) for size in ({}, {"width": 512, "height": 512}))
    assert small.memory.activation_peak.expected < whole.memory.activation_peak.expected
    assert not small.left_out


def test_what_moves_nothing_that_is_known_here_is_named() -> None:
    (said,) = answer(asked(QWEN2_5, **kwargs({"fps": 1}))).left_out
    assert said.startswith("--mm-processor-kwargs: what it says of images and videos is not known to move this model's")
    (said,) = answer(asked("google/gemma-3-12b-it", **limits(width=512))).left_out
    assert said.startswith("--limit-mm-per-prompt: what it says")
    assert not answer(asked("Qwen/Qwen3-8B", limit_mm_per_prompt={"image": 1})).left_out


def test_a_size_that_is_no_number_is_refused() -> None:
    with pytest.raises(InputError, match="max_pixels: must be a whole number"):
        asked(QWEN2_5, **kwargs({"max_pixels": "many"}))


def test_both_arguments_are_read_as_one() -> None:
    args = EngineArgs(
        mm_processor_kwargs={"images_kwargs": {"size": {"longest_edge": 7}}},
        limit_mm_per_prompt={"image": {"count": 1, "width": 512}, "video": 0},
    )
    assert items_of(args) == (("image.width", 512), ("images_kwargs.size.longest_edge", 7))
