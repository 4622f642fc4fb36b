"""InternVL in its own and in Hugging Face form, and NVLM, which has the same tower.

Sources: vLLM 0.33.0 `internvl.py`, `intern_vit.py`, `interns1.py`, `interns1_vit.py`, `nvlm_d.py`, `skyworkr1v.py`,
`qianfan_ocr.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from vram.architecture import norm
from vram.architecture.intern_vit import intern_hf_tower, intern_tower
from vram.architecture.items import setting
from vram.architecture.towers import convolution, dense, multimodal
from vram.architecture.vision_shape import vision_shape
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Module
from vram.models.spec import ModelSpec
from vram_plugins.architectures.language import filled, text_section, text_spec
from vram_plugins.architectures.vision import image_encoder, vision_section

_RENAMES_HF = (
    ("lm_head.", "language_model.lm_head."),
    ("model.language_model.", "language_model.model."),
    ("model.vision_tower.", "vision_tower."),
    ("model.multi_modal_projector.", "multi_modal_projector."),
)
#: crops of the largest image where no processor config says: max_dynamic_patch, and the thumbnail
_MAX_CROPS = 12
_NVLM_DUMMY_HEADS = 7  # so that eight ranks divide its 25 heads


def _shuffle(config: ModelConfig) -> int:
    """Patches joined by the pixel shuffle (4 at a downsample ratio of 0.5)."""
    ratio = config.number("downsample_ratio", default=0.5)
    if not 0 < ratio <= 1:
        raise config.error("downsample_ratio", "must be above 0 and at most 1")
    return int(1 / ratio) ** 2


class InternVLChat(ArchitectureAdapter):
    """InternVL 2 to 3.5 as published with their own code, and what others made of it."""

    name = "InternVLChatModel"
    architectures: tuple[str, ...] = ("InternVLChatModel", "H2OVLChatModel", "NVLM_D")
    modalities: ClassVar[tuple[str, ...]] = ("image", "video")
    data_parallel: ClassVar[bool] = True

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        section = self.text(config)
        text = text_spec(section, config, context)
        vision = self.vision(config)
        shape = vision_shape(vision)
        select = config.integer("select_layer", default=-1, low=-shape.layers)
        layers = shape.layers + select + 1 if select < 0 else select + 1
        joined = _shuffle(config)
        merged = shape.width * joined
        nvlm = config.architecture == "NVLM_D"
        dummies = _NVLM_DUMMY_HEADS if nvlm else 0
        middle = section.integer("intermediate_size") if nvlm else text.hidden_size
        modules = [
            *intern_tower(
                vision,
                "vision_model.",
                layers=layers,
                sharded=(shape.heads + dummies) % context.tensor_parallel_size == 0,
                dummy_heads=dummies,
                quantizable=self.tower_takes_scheme(context),
            ),
            norm("mlp1.0", merged, bias=True),
            *self.projector(merged, middle, text.hidden_size, bias=not nvlm),
        ]
        pixels = config.integer("force_image_size", default=shape.image_size)
        patches = (pixels // shape.patch_size) ** 2
        crops = setting(
            context.items, "max_dynamic_patch", default=config.integer("max_dynamic_patch", default=_MAX_CROPS)
        )
        crops += config.flag("use_thumbnail") and crops > 1
        image = image_encoder(shape, tokens=patches // joined * crops, patches=patches + 1, images=crops)
        return multimodal(
            text,
            config,
            modules=modules,
            encoders=(image,),
            modalities=self.modalities,
            data_parallel=self.data_parallel,
        )

    def text(self, config: ModelConfig) -> ModelConfig:
        """The language model's section. Raises ConfigError."""
        return text_section(config)

    def vision(self, config: ModelConfig) -> ModelConfig:
        """The tower's section. Raises ConfigError."""
        return vision_section(config, "intern_vit_6b")

    def tower_takes_scheme(self, context: BuildContext) -> bool:
        """Whether a quantization counts for the tower."""
        del context
        return True

    def projector(self, merged: int, middle: int, hidden: int, *, bias: bool) -> tuple[Module, ...]:
        """Two linears of torch's own."""
        return convolution("mlp1.1", middle, merged, bias=bias), convolution("mlp1.3", hidden, middle, bias=bias)


class SkyworkR1V(InternVLChat):
    """Skywork R1V: InternVL for images alone, its projector of linears that take a quantization."""

    name = "SkyworkR1VChatModel"
    architectures = ("SkyworkR1VChatModel",)
    modalities = ("image",)
    data_parallel = False

    def projector(self, merged: int, middle: int, hidden: int, *, bias: bool) -> tuple[Module, ...]:
        """Two of vLLM's, whole on every rank."""
        return dense("mlp1.1", merged, middle, bias=bias), dense("mlp1.3", middle, hidden, bias=bias)


class QianfanOcr(InternVLChat):
    """Qianfan-OCR: InternVL's own form under transformers' names; fp8 leaves its tower out (`_patch_quant_config`)."""

    name = "QianfanOCRForConditionalGeneration"
    architectures = ("QianfanOCRForConditionalGeneration",)

    def text(self, config: ModelConfig) -> ModelConfig:
        """Qwen3 where the section does not say."""
        return text_section(config, model_type="qwen3", tied=False)

    def vision(self, config: ModelConfig) -> ModelConfig:
        """InternViT's names for the biases and the norms of queries and keys."""
        section = vision_section(config, "qianfan_ocr_vision")
        return filled(
            section,
            {"qkv_bias": section.flag("attention_bias"), "qk_normalization": section.flag("use_qk_norm")},
        )

    def tower_takes_scheme(self, context: BuildContext) -> bool:
        """Not fp8, of a checkpoint or made while loading."""
        return not (context.quantization or "").startswith("fp8")


class InternVLHF(ArchitectureAdapter):
    """InternVL and Intern-S1 in Hugging Face form."""

    name = "InternVLForConditionalGeneration"
    architectures = ("InternVLForConditionalGeneration", "InternS1ForConditionalGeneration")

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        # transformers' own class ties where the file is silent; Intern-S1's, of its repository, leaves it to the text's
        tied = True if config.string("model_type", default="internvl") == "internvl" else None
        section = text_section(config, model_type="qwen2", tied=tied)
        text = text_spec(section, config, context)
        vision = vision_section(config, "internvl_vision")
        shape = vision_shape(vision)
        joined = _shuffle(config)
        at = "multi_modal_projector."
        modules = [
            *intern_hf_tower(vision, "vision_tower.", layers=shape.layers),
            norm(f"{at}layer_norm", shape.width * joined, bias=True),
            convolution(f"{at}linear_1", text.hidden_size, shape.width * joined),
            convolution(f"{at}linear_2", text.hidden_size, text.hidden_size),
        ]
        crops = _MAX_CROPS + 1
        patches = shape.grid**2
        image = image_encoder(shape, tokens=patches // joined * crops, patches=patches + 1, images=crops)
        return multimodal(
            text, config, modules=modules, encoders=(image,), renames=_RENAMES_HF, modalities=("image", "video")
        )


def adapters() -> Iterable[ArchitectureAdapter]:
    """InternVL, Skywork R1V, Qianfan-OCR, Intern-S1."""
    return [InternVLChat(), SkyworkR1V(), QianfanOcr(), InternVLHF()]
