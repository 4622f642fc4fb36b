"""What a decoder's config says: its dtype."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import vram
from vram.errors import ConfigError


@pytest.mark.parametrize("name", ["abc", "bf16", "F16", "torch.torch.float16"])
def test_a_dtype_that_torch_does_not_have_is_refused(model_folder: Callable[..., Path], name: str) -> None:
    with pytest.raises(ConfigError, match="is no dtype of torch"):
        vram.estimate(model_folder(torch_dtype=name), gpu="H100")


@pytest.mark.parametrize("name", ["bfloat16", "torch.bfloat16", "half", "float32", "double"])
def test_a_dtype_of_torch_is_taken(model_folder: Callable[..., Path], name: str) -> None:
    assert vram.estimate(model_folder(torch_dtype=name), gpu="H100").verdict.starts
