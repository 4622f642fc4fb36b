"""Models of a SigLIP tower and a small projector: Gemma 3, PaliGemma, Command A Vision.

Sources: vLLM 0.32.0 `gemma3_mm.py`, `paligemma.py`, `cohere2_vision.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import norm
from vram.architecture.items import setting
from vram.architecture.towers import convolution, dense, multimodal
from vram.architecture.vision_shape import vision_shape
from vram.architecture.vision_towers import siglip_tower
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Linear, Split, Tensor
from vram.models.spec import ModelSpec
from vram_plugins.architectures.language import text_section, text_spec
from vram_plugins.architectures.vision import image_encoder, vision_section

_RENAMES = (
    ("model.language_model.", "language_model.model."),
    ("model.vision_tower.", "vision_tower."),
    ("model.multi_modal_projector.", "multi_modal_projector."),
    ("lm_head.", "language_model.lm_head."),
)
_PANNED = 4  # crops of a long image where the user has Gemma 3's cut up
#: crops that Command A Vision's processor cuts an image into (its max_patches), and the overview
_COHERE_CROPS = 12 + 1


class Gemma3Vision(ArchitectureAdapter):
    """Gemma 3 with its tower: average pooling to `mm_tokens_per_image` embeddings, one projection matrix."""

    name = "Gemma3ForConditionalGeneration"
    architectures = ("Gemma3ForConditionalGeneration",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        section = text_section(config, model_type="gemma3_text", tied=True)
        text = text_spec(section, config, context, architecture="Gemma3ForCausalLM")
        vision = vision_section(config, "siglip_vision_model")
        shape = vision_shape(vision)
        modules = [
            *siglip_tower(vision, "vision_tower."),
            Tensor(name="multi_modal_projector.mm_input_projection_weight", shape=(shape.width, text.hidden_size)),
            norm("multi_modal_projector.mm_soft_emb_norm", shape.width),
        ]
        tokens = config.integer("mm_tokens_per_image", default=256)
        # `gemma3_mm.py:get_num_crops`: images cut up when told, besides the whole
        crops = setting(context.items, "pan_and_scan_max_num_crops", default=_PANNED)
        images = 1 + max(crops, 2) if setting(context.items, "do_pan_and_scan", default=0) else 1
        image = image_encoder(shape, tokens=tokens * images, patches=shape.grid**2, images=images)
        return multimodal(text, config, modules=modules, encoders=(image,), renames=_RENAMES)


class PaliGemma(ArchitectureAdapter):
    """PaliGemma 1 and 2: one projection with bias, which torch holds whole on every rank."""

    name = "PaliGemmaForConditionalGeneration"
    architectures = ("PaliGemmaForConditionalGeneration",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        section = text_section(config, model_type="gemma", tied=True)
        kind = section.string("model_type", default="gemma")
        text = text_spec(
            section, config, context, architecture="Gemma2ForCausalLM" if kind == "gemma2" else "GemmaForCausalLM"
        )
        vision = vision_section(config, "siglip_vision_model")
        shape = vision_shape(vision)
        width = config.integer("projection_dim", default=2048)
        modules = [
            *siglip_tower(vision, "vision_tower."),
            convolution("multi_modal_projector.linear", width, shape.width),
        ]
        image = image_encoder(shape, tokens=shape.grid**2, patches=shape.grid**2)
        return multimodal(text, config, modules=modules, encoders=(image,), renames=_RENAMES)


class Cohere2Vision(ArchitectureAdapter):
    """Command A Vision: pixel shuffle and a gated projector."""

    name = "Cohere2VisionForConditionalGeneration"
    architectures = ("Cohere2VisionForConditionalGeneration",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        section = text_section(config, model_type="cohere2", tied=True)
        text = text_spec(section, config, context, architecture="Cohere2ForCausalLM")
        vision = vision_section(config, "siglip_vision_model")
        shape = vision_shape(vision)
        factor = config.integer("downsample_factor", default=2)
        middle = config.integer("alignment_intermediate_size", default=36864)
        at = "multi_modal_projector."
        modules = [
            *siglip_tower(vision, "vision_tower."),
            Linear(
                name=f"{at}linear_1",
                inputs=shape.width * factor**2,
                outputs=(Split(size=middle // 2), Split(size=middle // 2)),
                bias=True,
                sources=(f"{at}linear_1",),
                quantizable=False,
            ),
            dense(f"{at}linear_2", middle // 2, text.hidden_size, parallel="row", quantizable=False),
        ]
        per_crop = (shape.grid // factor) ** 2
        image = image_encoder(shape, tokens=per_crop * _COHERE_CROPS, patches=shape.grid**2, images=_COHERE_CROPS)
        return multimodal(text, config, modules=modules, encoders=(image,), renames=_RENAMES)


def adapters() -> Iterable[ArchitectureAdapter]:
    """Gemma 3 with images, PaliGemma, Command A Vision."""
    return [Gemma3Vision(), PaliGemma(), Cohere2Vision()]
