"""Ring 3 with images: Qwen3-VL's tower without its merger's linears, and a projector of the text's width.

Source: vLLM 0.33.0 `bailing_moe_v3_vl.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture.reading import overridden
from vram.architecture.towers import dense, multimodal
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.spec import ModelSpec
from vram_plugins.architectures.language import text_section, text_spec
from vram_plugins.architectures.qwen_towers import qwen3_image, qwen3_tower
from vram_plugins.architectures.vision import vision_section

_TEXT = "BailingMoeV3ForCausalLM"


class BailingV3VL(ArchitectureAdapter):
    """Ling and Ring 3 with images."""

    name = "BailingMoeV3VLForConditionalGeneration"
    architectures = ("BailingMoeV3VLForConditionalGeneration",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        text = text_spec(text_section(config), config, context, architecture=_TEXT)
        vision = overridden(vision_section(config, "qwen3_vl"), deepstack_visual_indexes=[])
        merged = vision.integer("hidden_size") * vision.integer("spatial_merge_size", default=2) ** 2
        modules = [
            *(module for module in qwen3_tower(vision, "visual.") if "merger.linear" not in module.name),
            dense("linear_proj.linear_fc1", merged, text.hidden_size, parallel="column"),
            dense("linear_proj.linear_fc2", text.hidden_size, text.hidden_size, parallel="row"),
        ]
        image = qwen3_image(vision, context.items, out=text.hidden_size)
        return multimodal(text, config, modules=modules, encoders=(image,), modalities=("image", "video"))


def adapters() -> Iterable[ArchitectureAdapter]:
    """Ring 3 with images."""
    return [BailingV3VL()]
