"""How long a request is: what is said is kept, and what is not is short enough for it."""

from __future__ import annotations

import pytest

from vram.errors import InputError
from vram_plugins.targets.tokens import length_of, tokens_within


@pytest.mark.parametrize(
    ("prompt", "gen", "length"), [(None, None, 1280), (5000, None, 5256), (None, 10, 1034), (700, 0, 700)]
)
def test_a_length_is_what_is_said_and_what_is_usual(prompt: int | None, gen: int | None, length: int) -> None:
    assert length_of(prompt, gen) == length


@pytest.mark.parametrize(
    ("prompt", "gen", "length", "found"),
    [
        (None, None, 8192, (1024, 256)),
        (None, None, 400, (300, 100)),
        (5000, None, 5256, (5000, 256)),
        (5000, None, 5010, (5000, 10)),
        (None, 0, 512, (512, 0)),
    ],
)
def test_what_is_not_said_fits(prompt: int | None, gen: int | None, length: int, found: tuple[int, int]) -> None:
    assert tokens_within(prompt, gen, length) == found


def test_what_is_said_and_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="do not fit"):
        tokens_within(5000, None, 5000)
