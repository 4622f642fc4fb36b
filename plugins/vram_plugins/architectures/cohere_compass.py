"""Cohere Compass: Qwen3-VL's tower beside Command R, whose layers rotate only where the config says how.

Source: vLLM 0.33.0 `cohere_compass.py`, which serves it with tied embeddings only.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture.towers import multimodal
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.record import evolve
from vram.models.spec import ModelSpec
from vram_plugins.architectures.language import text_section, text_spec
from vram_plugins.architectures.qwen_towers import qwen3_image, qwen3_tower
from vram_plugins.architectures.vision import vision_section

_TABLE = "rotary_emb.cos_sin_cache"


class CohereCompass(ArchitectureAdapter):
    """Compass, for retrieval."""

    name = "CohereCompassForConditionalGeneration"
    architectures = ("CohereCompassForConditionalGeneration",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        section = text_section(config, model_type="cohere", tied=True)
        text = text_spec(section, config, context, architecture="CohereForCausalLM")
        if not config.text().get("rope_parameters"):  # only layers of a type that it names rotate
            text = evolve(text, placed=tuple(one for one in text.placed if one.module.name != _TABLE))
        vision = vision_section(config, "qwen3_vl")
        image = qwen3_image(vision, context.items)
        return multimodal(
            text,
            config,
            modules=qwen3_tower(vision, "visual."),
            encoders=(image,),
            modalities=("image", "video"),
            data_parallel=True,
        )


def adapters() -> Iterable[ArchitectureAdapter]:
    """Compass."""
    return [CohereCompass()]
