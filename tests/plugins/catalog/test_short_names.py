"""Lists of module names written short and read back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vram.checkpoint.numbered_names import expanded
from vram_plugins.catalog.short_names import shortened


def test_names_that_differ_in_their_layer_are_joined() -> None:
    names = ["lm_head", *(f"model.layers.{n}.mlp.gate" for n in (0, 1, 2, 5)), "model.layers.3*", "re:.*lm_head"]

    assert shortened(names) == ["#model.layers.{0-2,5}.mlp.gate", "lm_head", "model.layers.3*", "re:.*lm_head"]


def test_two_names_are_not_worth_joining() -> None:
    assert shortened(["a.0.b", "a.1.b"]) == ["a.0.b", "a.1.b"]


_part = st.sampled_from(["model", "layers", "0", "1", "2", "07", "13", "mlp*", "re:.*", "{1}", ""])


@given(st.lists(st.lists(_part, min_size=1, max_size=5).map(".".join)))
def test_every_list_is_read_back(names: list[str]) -> None:
    assert set(expanded(shortened(names))) == set(names)
