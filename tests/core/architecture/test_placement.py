"""Which layers slide and which have experts."""

from __future__ import annotations

import pytest

from vram.architecture.placement import even_slide, every_nth_full, expert_layers, layer_windows
from vram.errors import ArchitectureError, ConfigError
from vram.models.config import ModelConfig


def config(**raw: object) -> ModelConfig:
    return ModelConfig(raw=raw)


class TestWindows:
    def test_a_window_without_layer_types_is_every_layers(self) -> None:
        assert layer_windows(config(sliding_window=128), 3) == (128, 128, 128)

    def test_layer_types_decide_where_they_are_given(self) -> None:
        types = ["sliding_attention", "full_attention", "sliding_attention"]

        windows = layer_windows(config(sliding_window=128, layer_types=types), 3, absent=every_nth_full(2))

        assert windows == (128, None, 128)

    def test_all_layers_called_full_have_no_window(self) -> None:
        assert layer_windows(config(sliding_window=128, layer_types=["full_attention"] * 2), 2) == (None, None)

    def test_a_rule_stands_in_for_absent_layer_types(self) -> None:
        sliding = config(sliding_window=128)

        assert layer_windows(sliding, 4, absent=every_nth_full(4)) == (128, 128, 128, None)
        assert layer_windows(sliding, 3, absent=even_slide) == (128, None, 128)

    def test_a_window_of_zero_is_none(self) -> None:
        assert layer_windows(config(sliding_window=0), 2) == (None, None)

    def test_too_few_layer_types_are_an_error(self) -> None:
        with pytest.raises(ConfigError, match="layer_types"):
            layer_windows(config(layer_types=["full_attention"]), 2)

    def test_a_layer_type_that_is_no_attention_is_refused(self) -> None:
        with pytest.raises(ArchitectureError, match="linear_attention"):
            layer_windows(config(layer_types=["linear_attention", "full_attention"]), 2)


class TestExperts:
    def test_dense_layers_come_first(self) -> None:
        assert expert_layers(config(first_k_dense_replace=2), 4) == (False, False, True, True)

    def test_every_second_layer_but_the_named_ones(self) -> None:
        # (index + 1) % 2 == 0 leaves 1, 3 and 5; 3 is named
        found = expert_layers(config(decoder_sparse_step=2, mlp_only_layers=[3]), 6)

        assert found == (False, True, False, False, False, True)

    def test_a_list_of_places_counts_as_it_stands(self) -> None:
        assert expert_layers(config(moe_layer_freq=[0, 1, 1]), 3) == (False, True, True)

    def test_layer_types_of_the_mlp_come_before_everything(self) -> None:
        found = expert_layers(config(mlp_layer_types=["dense", "sparse"], first_k_dense_replace=0), 2)

        assert found == (False, True)
