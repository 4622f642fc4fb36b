"""Reading the vision section of a multimodal config, and what its largest image is. Registers no adapter."""

from __future__ import annotations

from vram.architecture.reading import optional_section
from vram.architecture.vision_shape import Shape
from vram.models.config import ModelConfig
from vram.models.spec import Encoder
from vram_plugins.architectures.config_defaults import VISION_DEFAULTS
from vram_plugins.architectures.language import filled


def vision_section(config: ModelConfig, default_type: str, *, named_types: bool = False) -> ModelConfig:
    """`vision_config` with the defaults of its class, empty where absent.

    With `named_types` the section's own `model_type` chooses the class, `default_type` only where it names none.
    Raises ConfigError.
    """
    section = optional_section(config, "vision_config")
    kind = section.string("model_type", default=default_type) if named_types else default_type
    return filled(section, {"model_type": kind, **VISION_DEFAULTS.get(kind, {})})


def image_encoder(
    shape: Shape,
    *,
    tokens: int,
    patches: int,
    images: int = 1,
    output_width: int = 0,
    gated: bool = False,
    modality: str = "image",
    tensor_parallel: bool = True,
) -> Encoder:
    """The tower's work on the largest item: `images` crops of `patches` patches each, giving `tokens` embeddings."""
    return Encoder(
        modality=modality,
        max_item_tokens=tokens,
        patches=patches * images,
        width=shape.width,
        mlp_width=shape.mlp_width,
        heads=shape.heads,
        tensor_parallel=tensor_parallel,
        input_elements=patches * images * shape.channels * shape.patch_size**2,
        output_width=output_width,
        gated=gated,
    )
