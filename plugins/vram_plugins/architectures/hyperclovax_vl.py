"""HyperCLOVA X SEED Think with vision: Qwen2.5-VL's ViT, one linear of torch's, a text model of its own architecture.

Source: vLLM 0.33.0 `hyperclovax_vision_v2.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture.towers import convolution, multimodal
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.spec import ModelSpec
from vram_plugins.architectures.language import text_section, text_spec
from vram_plugins.architectures.qwen_towers import qwen2_5_image, qwen2_5_tower
from vram_plugins.architectures.vision import vision_section

_MODALITIES = ("image", "video")


class HyperClovaXVision(ArchitectureAdapter):
    """The tower's own merger comes before the linear."""

    name = "HCXVisionV2ForCausalLM"
    architectures = ("HCXVisionV2ForCausalLM",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        text = text_spec(text_section(config, model_type="hyperclovax"), config, context)
        vision = vision_section(config, "qwen2_5_vl")
        image = qwen2_5_image(vision, context.items)
        projector = convolution("mm_projector.fc", text.hidden_size, vision.integer("out_hidden_size"))
        modules = (*qwen2_5_tower(vision, "visual."), projector)
        renames = (
            ("model.vision_model.", "visual."),
            ("vision_model.", "visual."),
            ("model.language_model.", "language_model."),
        )
        return multimodal(text, config, modules=modules, encoders=(image,), renames=renames, modalities=_MODALITIES)


def adapters() -> Iterable[ArchitectureAdapter]:
    """HyperCLOVA X SEED with vision."""
    return [HyperClovaXVision()]
