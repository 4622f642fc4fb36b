"""CLIP and SigLIP as embedding models: a text and a vision encoder side by side.

CLIP's text encoder is causal and, in vLLM, caches keys and values; SigLIP's does not.
Sources: vLLM 0.32.0 `clip.py`, `siglip.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import Dimensions, dimensions, gqa, layer, norm, norms, plain_mlp, runs_by_kind
from vram.architecture.decoder import model_dtype
from vram.architecture.reading import optional_section
from vram.architecture.towers import convolution, position_ids, with_tower
from vram.architecture.vision_shape import vision_shape
from vram.architecture.vision_towers import clip_tower, siglip_tower
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Embedding, Module, Placed
from vram.models.spec import ModelSpec
from vram_plugins.architectures.language import filled
from vram_plugins.architectures.vision import image_encoder, vision_section

_TEXT_DEFAULTS = {
    "hidden_size": 512,
    "intermediate_size": 2048,
    "num_hidden_layers": 12,
    "num_attention_heads": 8,
    "vocab_size": 49408,
    "max_position_embeddings": 77,
}
_SIGLIP_DEFAULTS = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "vocab_size": 32000,
    "max_position_embeddings": 64,
}


def _text(config: ModelConfig, section: ModelConfig, dims: Dimensions, *, cached: bool) -> ModelSpec:
    """The text encoder: sharded token and position embeddings, pre-norm layers with biases, a final norm."""
    at = "text_model."
    block = layer(
        gqa(
            hidden_size=dims.hidden_size,
            num_heads=dims.num_attention_heads,
            num_kv_heads=dims.num_attention_heads,
            head_dim=dims.hidden_size // dims.num_attention_heads,
            qkv_bias=True,
            out_bias=True,
            out_name="out_proj",
            cached=cached,
        ),
        plain_mlp(hidden_size=dims.hidden_size, intermediate_size=dims.intermediate_size),
        norms(dims.hidden_size, "layer_norm1", "layer_norm2", bias=True),
    )
    runs = runs_by_kind(["layer"] * dims.num_hidden_layers, lambda _: block, prefix=f"{at}encoder.layers")
    modules = (
        Embedding(name=f"{at}embeddings.token_embedding", rows=dims.vocab_size, columns=dims.hidden_size),
        Embedding(name=f"{at}embeddings.position_embedding", rows=dims.max_position, columns=dims.hidden_size),
        norm(f"{at}final_layer_norm", dims.hidden_size, bias=True),
    )
    return ModelSpec(
        architecture=config.architecture,
        dtype=model_dtype(config, section),
        hidden_size=dims.hidden_size,
        vocab_size=dims.vocab_size,
        num_attention_heads=dims.num_attention_heads,
        max_model_len=dims.max_position,
        derived_max_model_len=dims.max_position,
        num_layers=dims.num_hidden_layers,
        runs=runs,
        placed=tuple(Placed(module=module, stage="every") for module in modules),
        runner="pooling",
    )


def _text_section(config: ModelConfig, defaults: dict[str, object]) -> ModelConfig:
    section = optional_section(config, "text_config")
    return filled(section, defaults)


class Clip(ArchitectureAdapter):
    """CLIP: both encoders are projected without bias."""

    name = "CLIPModel"
    architectures = ("CLIPModel",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        del context
        section = _text_section(config, dict(_TEXT_DEFAULTS))
        text = _text(config, section, dimensions(section), cached=True)
        vision = vision_section(config, "clip_vision_model")
        shape = vision_shape(vision)
        width = config.integer("projection_dim", default=512)
        modules: tuple[Module, ...] = (
            *clip_tower(vision, ""),
            convolution("text_projection.weight", width, text.hidden_size, bias=False),
            convolution("visual_projection.weight", width, shape.width, bias=False),
        )
        image = image_encoder(shape, tokens=shape.grid**2 + 1, patches=shape.grid**2 + 1)
        return with_tower(text, modules, modalities=("image",), encoders=(image,))


class Siglip(ArchitectureAdapter):
    """SigLIP: the vision encoder pools by attention, the text encoder by a linear head."""

    name = "SiglipModel"
    architectures = ("SiglipModel",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        del context
        section = _text_section(config, dict(_SIGLIP_DEFAULTS))
        dims = dimensions(section)
        text = _text(config, section, dims, cached=False)
        vision = vision_section(config, "siglip_vision_model")
        shape = vision_shape(vision)
        modules: tuple[Module, ...] = (
            *siglip_tower(vision, "", head=vision.flag("vision_use_head", default=True)),
            convolution(
                "text_model.head", section.integer("projection_size", default=dims.hidden_size), dims.hidden_size
            ),
            position_ids("text_model.embeddings.position_ids", dims.max_position),
        )
        image = image_encoder(shape, tokens=shape.grid**2, patches=shape.grid**2)
        return with_tower(text, modules, modalities=("image",), encoders=(image,))


def adapters() -> Iterable[ArchitectureAdapter]:
    """CLIP, SigLIP."""
    return [Clip(), Siglip()]
