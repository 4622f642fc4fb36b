"""Command R and its successors: attention and feed-forward side by side, one norm per layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from vram.architecture.attention import QkNorm
from vram.architecture.decoder import Dimensions
from vram.architecture.expert_family import ExpertFamily
from vram.architecture.family import EVERY_RANK, DecoderFamily, Frame, LayerKind, Names
from vram.architecture.placement import every_nth_full, layer_windows
from vram.models.adapter import ArchitectureAdapter
from vram.models.config import ModelConfig


class Cohere(DecoderFamily):
    """vLLM 0.32.0 `commandr.py`; no biases whatever the config says, per-head norms of q and k if it says so."""

    architectures: tuple[str, ...] = ("CohereForCausalLM",)
    ties = "always"  # there is no LM head in the class
    defaults: ClassVar[Mapping[str, object]] = {"tie_word_embeddings": True, "max_position_embeddings": 8192}
    names = Names(norms=("input_layernorm",))
    frame = Frame(every_rank=EVERY_RANK)

    def qk_norms(self, config: ModelConfig) -> QkNorm:
        """`use_qk_norm` gives every head its own weight."""
        return "full" if config.flag("use_qk_norm") else "none"


class Cohere2(Cohere):
    """Three layers of four slide; a layer sees one token more than `sliding_window` says."""

    architectures: tuple[str, ...] = ("Cohere2ForCausalLM",)
    head_dim_field = False
    defaults: ClassVar[Mapping[str, object]] = {**Cohere.defaults, "sliding_window": 4096}

    def windows(self, config: ModelConfig, dims: Dimensions) -> Sequence[int | None]:
        """Without `layer_types` every `sliding_window_pattern`-th layer is full."""
        rule = every_nth_full(config.integer("sliding_window_pattern", default=4))
        return _one_more(layer_windows(config, dims.num_hidden_layers, absent=rule))


class Cohere2Moe(ExpertFamily):
    """`cohere2_moe.py`; experts as wide as `intermediate_size`, dense layers first."""

    architectures: tuple[str, ...] = ("Cohere2MoeForCausalLM",)
    ties = "always"
    defaults: ClassVar[Mapping[str, object]] = {
        **Cohere2.defaults,
        "head_dim": 128,
        "num_experts": 8,
        "num_experts_per_tok": 2,
    }
    names = Names(norms=("input_layernorm",))
    frame = Frame(every_rank=EVERY_RANK)
    width_field = ("intermediate_size",)
    shared = ("num_shared_experts",)
    scoring = "sigmoid"

    def windows(self, config: ModelConfig, dims: Dimensions) -> Sequence[int | None]:
        """The dense layers have a pattern of their own; the count begins anew after them."""
        first = config.integer("first_k_dense_replace", default=0, low=0)
        before = every_nth_full(config.integer("prefix_dense_sliding_window_pattern", default=1))
        after = every_nth_full(config.integer("sliding_window_pattern", default=4))
        return _one_more(
            layer_windows(config, dims.num_hidden_layers, absent=lambda i: before(i) if i < first else after(i - first))
        )

    def dense_width(self, config: ModelConfig, kind: LayerKind) -> int:
        """Dense layers may be wider than the experts."""
        return config.integer("prefix_dense_intermediate_size", default=kind.dims.intermediate_size)


def _one_more(windows: Sequence[int | None]) -> Sequence[int | None]:
    return [window + 1 if window else None for window in windows]


def adapters() -> Iterable[ArchitectureAdapter]:
    """Command R, R7B, A, and the mixture of experts."""
    return [Cohere(), Cohere2(), Cohere2Moe()]
