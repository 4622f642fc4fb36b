"""Beam and Domyn Edge: windows beside layers without positions, four norms, rotary tables in fp32.

Sources: vLLM 0.33.0 `models/beam/nvidia/model.py`, `domyn_edge.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from vram.architecture.decoder import Dimensions
from vram.architecture.expert_family import ExpertFamily
from vram.architecture.family import DecoderFamily, Frame, LayerKind, Names
from vram.architecture.parts import Part, bias_free_linear
from vram.architecture.positions import layer_rope
from vram.models.adapter import ArchitectureAdapter
from vram.models.config import ModelConfig
from vram.models.parameters import Tensor
from vram.models.record import evolve

_ROTATES, _DOES_NOT = "rope", "nope"


class Beam(ExpertFamily):
    """A gate of all heads and a bias per head beside attention; only sliding layers rotate."""

    architectures: tuple[str, ...] = ("BeamForCausalLM",)
    ties = "never"
    defaults: ClassVar[Mapping[str, object]] = {
        "sliding_window": 4096,
        "num_key_value_heads": 4,
        "num_experts": 128,
        "num_experts_per_tok": 8,
        "moe_intermediate_size": 768,
        "max_position_embeddings": 32768,
    }
    qk_norm = "head"
    names = Names(
        norms=(
            "input_layernorm",
            "post_attention_layernorm",
            "pre_feedforward_layernorm",
            "post_feedforward_layernorm",
        )
    )
    frame = Frame(rope="none")
    shared = ()
    router_dtype = "float32"
    correction_bias = True

    def shared_width(self, config: ModelConfig) -> int:
        """There is no shared expert."""
        del config
        return 0

    def attention(self, config: ModelConfig, kind: LayerKind) -> Part:
        """The gate, its bias, and the table where the layer rotates."""
        part, dims = super().attention(config, kind), kind.dims
        heads = dims.num_attention_heads
        modules = [
            *part.modules,
            bias_free_linear("self_attn.output_gate_proj", dims.hidden_size, heads * dims.head_dim),
            Tensor(name="self_attn.gate_bias", shape=(heads,), sharded_units=heads),
        ]
        if kind.window:
            modules.append(_fp32_table(config, dims))
        return Part(modules=tuple(modules), caches=part.caches)


class DomynEdge(DecoderFamily):
    """Domyn Edge: keys alone have a norm with weights; `window_sizes` and `position_layers` go layer by layer."""

    architectures: tuple[str, ...] = ("DomynEdgeForCausalLM",)
    names = Names(
        attention="attention",
        mlp="feedforward",
        norms=("pre_attention_norm", "post_attention_norm", "pre_feedforward_norm", "post_feedforward_norm"),
    )
    frame = Frame(rope="none")

    def kinds(self, config: ModelConfig, dims: Dimensions) -> Sequence[LayerKind]:
        """Whether a layer rotates is its variant. Raises ConfigError where a list is too short or heads differ."""
        if config.has("per_layer_config"):
            raise config.error("per_layer_config", "gives layers dimensions of their own, which are not known")
        positions = config.strings("position_layers")
        if len(positions) < dims.num_hidden_layers:
            raise config.error("position_layers", f"has {len(positions)} entries of {dims.num_hidden_layers}")
        kinds = super().kinds(config, dims)
        return [evolve(kind, variant=variant) for kind, variant in zip(kinds, positions, strict=False)]

    def windows(self, config: ModelConfig, dims: Dimensions) -> Sequence[int | None]:
        """The first number of each pair; vLLM's window counts the token itself. Raises ConfigError."""
        found: list[int | None] = []
        for pair in config.items("window_sizes"):
            if not (isinstance(pair, list | tuple) and pair and isinstance(pair[0], int)):
                raise config.error("window_sizes", "must be a list of pairs of tokens")
            found.append(pair[0] + 1 if pair[0] > 0 else None)
        if len(found) < dims.num_hidden_layers:
            raise config.error("window_sizes", f"has {len(found)} entries of {dims.num_hidden_layers}")
        return found[: dims.num_hidden_layers]

    def attention(self, config: ModelConfig, kind: LayerKind) -> Part:
        """The norm of keys, and the table where the layer rotates."""
        part, dims = super().attention(config, kind), kind.dims
        more = [Tensor(name="attention.k_norm", shape=(dims.head_dim,))]
        if kind.variant == _ROTATES:
            more.append(_fp32_table(config, dims))
        elif kind.variant != _DOES_NOT:
            raise config.error("position_layers", f"names {kind.variant[:40]!r}, which is not known")
        return Part(modules=(*part.modules, *more), caches=part.caches)


def _fp32_table(config: ModelConfig, dims: Dimensions) -> Tensor:
    block = config.sub("rope_parameters")
    nested = block.sub("sliding_attention") if block else None
    raw = (nested or block).raw if block else {"rope_type": "default"}
    return layer_rope(config, dims, raw, dtype="float32")


def adapters() -> Iterable[ArchitectureAdapter]:
    """Beam, Domyn Edge."""
    return [Beam(), DomynEdge()]
