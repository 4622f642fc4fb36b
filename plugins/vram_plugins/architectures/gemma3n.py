"""Gemma 3n's language model: alternating updates (AltUp), low-rank residuals (LAuReL), embeddings per layer, shared caches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from vram.architecture.decoder import Dimensions
from vram.architecture.family import EVERY_RANK, Frame, LayerKind, Names
from vram.architecture.parts import Part, bias_free_linear, norm
from vram.architecture.placement import every_nth_full, layer_windows
from vram.architecture.reading import overridden
from vram.models.adapter import ArchitectureAdapter
from vram.models.config import ModelConfig
from vram.models.parameters import Embedding, Linear, Module, Split, Stage, Tensor
from vram.models.record import evolve
from vram.models.spec import Layer
from vram_plugins.architectures.gemma import FOUR_NORMS, Gemma3

_SHARED = "shared"


class Gemma3n(Gemma3):
    """vLLM 0.32.0 `gemma3n.py`; the last layers read the caches of earlier ones."""

    architectures: tuple[str, ...] = ("Gemma3nForCausalLM", "Gemma3nTextModel")
    defaults: ClassVar[Mapping[str, object]] = {
        "head_dim": 256,
        "num_key_value_heads": 2,
        "intermediate_size": 16384,
        "sliding_window": 512,
        "tie_word_embeddings": True,
        "vocab_size_per_layer_input": 262144,
        "hidden_size_per_layer_input": 256,
        "altup_num_inputs": 4,
        "laurel_rank": 64,
        "num_kv_shared_layers": 15,
        "max_position_embeddings": 32768,
    }
    names = Names(norms=(*FOUR_NORMS, "post_per_layer_input_norm"))
    asks_causal = False
    frame = Frame(rope="none", every_rank=EVERY_RANK)

    def prepare(self, config: ModelConfig) -> ModelConfig:
        """`intermediate_size` may have one entry per layer."""
        widths = config.get("intermediate_size")
        if not isinstance(widths, list):
            return config
        sizes = config.integers("intermediate_size")
        if not sizes or min(sizes) < 1:
            raise config.error("intermediate_size", "must have a width for every layer")
        return overridden(config, intermediate_size=max(sizes), intermediate_sizes=widths)

    def kinds(self, config: ModelConfig, dims: Dimensions) -> Sequence[LayerKind]:
        """Widths per layer; the last `num_kv_shared_layers` keep nothing."""
        widths = config.integers("intermediate_sizes")
        own = dims.num_hidden_layers - config.integer("num_kv_shared_layers", default=0, low=0)
        return [
            evolve(
                kind,
                dims=evolve(dims, intermediate_size=widths[i] if i < len(widths) else dims.intermediate_size),
                variant="" if i < own else _SHARED,
            )
            for i, kind in enumerate(super().kinds(config, dims))
        ]

    def windows(self, config: ModelConfig, dims: Dimensions) -> Sequence[int | None]:
        """Without `layer_types` every fifth layer is full."""
        return layer_windows(config, dims.num_hidden_layers, absent=every_nth_full(5))

    def layer(self, config: ModelConfig, kind: LayerKind) -> Layer:
        """A Gemma layer with the three additions."""
        plain = super().layer(config, kind)
        return Layer(modules=(*plain.modules, *_additions(config, kind.dims.hidden_size)), caches=plain.caches)

    def attention(self, config: ModelConfig, kind: LayerKind) -> Part:
        """A layer that shares another's cache has no keys and values of its own."""
        part = super().attention(config, kind)
        if kind.variant != _SHARED:
            return part
        dims = kind.dims
        query = Linear(
            name="self_attn.q_proj",
            inputs=dims.hidden_size,
            outputs=(Split(size=dims.num_attention_heads * dims.head_dim, units=dims.num_attention_heads),),
            sources=("self_attn.q_proj",),
        )
        kept = [m for m in part.modules[1:] if m.name != "self_attn.qk_norm"]
        return Part(modules=(query, norm("self_attn.q_norm", dims.head_dim), *kept))

    def outside(self, config: ModelConfig, dims: Dimensions) -> Iterable[tuple[Stage, Module]]:
        """Embeddings per layer, AltUp's projections and the scalars that scale them."""
        hidden, width = dims.hidden_size, config.integer("hidden_size_per_layer_input")
        columns = dims.num_hidden_layers * width
        rows = config.integer("vocab_size_per_layer_input")
        yield "every", Embedding(name="model.embed_tokens_per_layer", rows=rows, columns=columns)
        yield "every", bias_free_linear("model.per_layer_model_projection", hidden, columns)
        yield "every", norm("model.per_layer_projection_norm", width)
        projection = bias_free_linear("model.altup_projections", hidden, hidden)
        for index in range(config.integer("altup_num_inputs") - 1):
            yield "every", evolve(projection, sources=(f"model.altup_projections.{index}",))
            yield (
                "every",
                evolve(
                    projection,
                    name="model.altup_unembed_projections",
                    sources=(f"model.altup_unembed_projections.{index}",),
                ),
            )
        yield "every", Tensor(name="model.scales", shape=(4,), buffer=True)


def _additions(config: ModelConfig, hidden: int) -> tuple[Module, ...]:
    width, rank = config.integer("hidden_size_per_layer_input"), config.integer("laurel_rank")
    inputs = config.integer("altup_num_inputs")
    return (
        bias_free_linear("altup.correction_coefs", inputs, inputs, "replicated"),
        bias_free_linear("altup.prediction_coefs", inputs, inputs * inputs, "replicated"),
        bias_free_linear("altup.modality_router", hidden, inputs, "replicated"),
        norm("altup.router_norm", hidden),
        Tensor(name="altup.correct_output_scale", shape=(hidden,), dtype="float32"),
        Tensor(name="altup.router_input_scale", shape=(1,), buffer=True),
        bias_free_linear("laurel.linear_left", hidden, rank),
        bias_free_linear("laurel.linear_right", rank, hidden, "row"),
        norm("laurel.post_laurel_norm", hidden),
        bias_free_linear("per_layer_input_gate", hidden, width, "replicated"),
        bias_free_linear("per_layer_projection", width, hidden, "replicated"),
    )


def adapters() -> Iterable[ArchitectureAdapter]:
    """Gemma 3n's text model."""
    return [Gemma3n()]
