"""Qwen4-Exp: Qwen3-Next's layers between hyper-connections, alone and with Qwen3-VL's tower.

Source: vLLM 0.33.0 `models/qwen4_exp/nvidia/model.py`. Embeddings of n-grams (`ple_layer_ids`) and sparse attention
(`indexer_n_heads`) are not described.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import Dimensions, Part, decoder, dimensions, gqa, layer, norm, runs_by_kind
from vram.architecture.positions import layer_rope
from vram.architecture.towers import convolution, multimodal
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Module, Placed, ceil_div
from vram.models.record import evolve
from vram.models.spec import Layer, ModelSpec
from vram_plugins.architectures.language import text_section, text_spec
from vram_plugins.architectures.qwen3_next import delta_net, experts
from vram_plugins.architectures.qwen_towers import qwen3_image, qwen3_tower
from vram_plugins.architectures.vision import vision_section

_TEXT = "Qwen4ExpForCausalLM"
_LINEAR = "linear_attention"
_ALIGNED_ROWS = 16  # to which the mixture's rows are padded (`hyperconnection.py`)


class Qwen4Exp(ArchitectureAdapter):
    """The language model: experts in every layer, no norms but those of the hyper-connections."""

    name = _TEXT
    architectures = (_TEXT,)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        for name in ("ple_layer_ids", "indexer_n_heads"):
            if config.get(name):
                raise config.error(name, "asks for layers that are not known")
        dims = dimensions(config, max_position_default=32768, head_dim_default=config.integer("head_dim", default=256))
        kinds = _full_layers(config, dims.num_hidden_layers)
        spec = decoder(
            config,
            dims,
            runs=runs_by_kind(kinds, lambda full: _layer(config, dims, context, full=full)),
            context=context,
            rope="none",
            final_norm=False,
            max_position_default=32768,
        )
        mixer = (
            Placed(module=module, stage="last") for module in _mixer(config, dims, "model.hyper_connection_mixer.")
        )
        return evolve(spec, placed=(*spec.placed, *mixer))


class Qwen4ExpVL(ArchitectureAdapter):
    """The same with images and videos."""

    name = "Qwen4ExpForConditionalGeneration"
    architectures = ("Qwen4ExpForConditionalGeneration",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        text = text_spec(text_section(config), config, context, architecture=_TEXT)
        vision = vision_section(config, "qwen3_5")
        image = qwen3_image(vision, context.items, out=vision.integer("out_hidden_size"))
        return multimodal(
            text,
            config,
            modules=qwen3_tower(vision, "visual."),
            encoders=(image,),
            modalities=("image", "video"),
            data_parallel=True,
        )


def _full_layers(config: ModelConfig, layers: int) -> list[bool]:
    """Whether a layer is attention, under any of its names. Raises ConfigError."""
    types = config.strings("layer_types")
    if len(types) < layers:
        raise config.error("layer_types", f"names {len(types)} layers of {layers}")
    return [kind != _LINEAR for kind in types[:layers]]


def _layer(config: ModelConfig, dims: Dimensions, context: BuildContext, *, full: bool) -> Layer:
    mixer = _attention(config, dims) if full else delta_net(config, dims, context, fused=True)
    streams = [
        module for half in ("attn", "mlp") for module in _mixer(config, dims, f"{half}_hyper_connection.", injects=True)
    ]
    return layer(mixer, experts(config, dims, num_experts=512, top_k=10), streams)


def _attention(config: ModelConfig, dims: Dimensions) -> Part:
    part = gqa(
        hidden_size=dims.hidden_size,
        num_heads=dims.num_attention_heads,
        num_kv_heads=dims.num_key_value_heads,
        head_dim=dims.head_dim,
        qkv_bias=config.flag("attention_bias"),
        qk_norm="head",
        query_factor=2,
    )
    block = config.sub("rope_parameters")
    table = layer_rope(config, dims, block.raw if block else {"rope_type": "default"})
    return Part(modules=(*part.modules, table), caches=part.caches)


def _mixer(config: ModelConfig, dims: Dimensions, at: str, *, injects: bool = False) -> Iterable[Module]:
    """A norm over all streams, a low-rank mixture of them, and weights for what a block puts back."""
    streams = config.integer("hc_count", default=4)
    width, rank = streams * dims.hidden_size, config.integer("hc_lowrank", default=320)
    yield norm(f"{at}hc_norm", width)
    rows = ceil_div(rank + streams, _ALIGNED_ROWS) * _ALIGNED_ROWS if injects else rank
    yield convolution(f"{at}input_mix_weight_down", rows, width, bias=False)
    yield convolution(f"{at}input_mix_weight_up", width, rank, bias=False)


def adapters() -> Iterable[ArchitectureAdapter]:
    """Qwen4-Exp."""
    return [Qwen4Exp(), Qwen4ExpVL()]
