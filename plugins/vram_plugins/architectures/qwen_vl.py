"""Qwen's vision-language models: Qwen2-VL, Qwen2.5-VL, Qwen3-VL and Qwen3.5, dense and mixture of experts.

Sources: vLLM 0.32.0 `qwen2_vl.py`, `qwen2_5_vl.py`, `qwen3_vl.py`, `qwen3_vl_moe.py`, `qwen3_5.py`, `exaone4_5.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture.towers import multimodal
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.record import evolve
from vram.models.spec import Encoder, ModelSpec
from vram_plugins.architectures.language import own_section, text_section, text_spec
from vram_plugins.architectures.qwen_towers import (
    QWEN2_PIXELS,
    deepstack_buffers,
    largest_image,
    qwen2_5_tower,
    qwen2_tower,
    qwen3_image,
    qwen3_tower,
)
from vram_plugins.architectures.vision import vision_section

_QWEN2_FRAMES = 14  # `qwen2_vl.py:_MAX_FRAMES_PER_VIDEO`

QWEN2_RENAMES = (
    ("model.language_model.", "language_model.model."),
    ("model.visual.", "visual."),
    ("lm_head.", "language_model.lm_head."),
    ("model.", "language_model.model."),
)
QWEN3_RENAMES = (
    ("model.visual.", "visual."),
    ("lm_head.", "language_model.lm_head."),
    ("model.language_model.", "language_model.model."),
)


def _video(image: Encoder, frames: int) -> Encoder:
    """A video of `frames` times the largest image's patches."""
    return Encoder(
        modality="video",
        max_item_tokens=image.max_item_tokens * frames,
        patches=image.patches * frames,
        width=image.width,
        mlp_width=image.mlp_width,
        heads=image.heads,
        input_elements=image.input_elements * frames,
        output_width=image.output_width,
        gated=image.gated,
    )


class Qwen2VL(ArchitectureAdapter):
    """Qwen2-VL and Qwen2.5-VL: a ViT and Qwen2 with multimodal rotary positions; EXAONE 4.5 has another text."""

    def __init__(self, architecture: str, vision_type: str, text_architecture: str = "Qwen2ForCausalLM") -> None:
        self.name = architecture
        self.architectures = (architecture,)
        self.vision_type = vision_type
        self.text_architecture = text_architecture

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        qwen = self.text_architecture == "Qwen2ForCausalLM"  # whose config class passes the section's word on
        text_type = f"{self.vision_type}_text" if qwen else "exaone4"
        section = text_section(config, model_type=text_type, tied=False, text_ties=qwen)
        text = text_spec(section, config, context, architecture=self.text_architecture)
        vision = vision_section(config, self.vision_type)
        gated = self.vision_type != "qwen2_vl"
        tower = qwen2_5_tower if gated else qwen2_tower
        width = vision.integer("hidden_size" if gated else "embed_dim")
        mlp = vision.integer("intermediate_size") if gated else int(width * vision.number("mlp_ratio"))
        out = vision.integer("out_hidden_size" if gated else "hidden_size")
        image = largest_image(
            vision, QWEN2_PIXELS, items=context.items, width=width, mlp_width=mlp, out=out, gated=gated
        )
        length = context.max_model_len or text.max_model_len
        pairs = max(1, min(length // image.max_item_tokens, _QWEN2_FRAMES // 2))
        return multimodal(
            text,
            config,
            modules=tower(vision, "visual."),
            encoders=(image, _video(image, pairs)),
            renames=QWEN2_RENAMES,
            modalities=("image", "video"),
            data_parallel=True,
        )


class OpenCua(Qwen2VL):
    """OpenCUA (`opencua.py`): Qwen2.5-VL whose text has plain rotary positions, and no video."""

    def __init__(self) -> None:
        super().__init__("OpenCUAForConditionalGeneration", "qwen2_5_vl")

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        spec = super().build(config, context)
        images = tuple(encoder for encoder in spec.encoders if encoder.modality == "image")
        placed = tuple(evolve(one, modalities=("image",)) if one.modalities else one for one in spec.placed)
        return evolve(spec, encoders=images, placed=placed, renames=(("vision_tower.", "visual."), *spec.renames))


class Qwen3VL(ArchitectureAdapter):
    """Qwen3-VL and Qwen3.5: the deepstack ViT beside Qwen3, Qwen3-MoE or their hybrid successors."""

    def __init__(self, architecture: str, text_architecture: str, model_type: str) -> None:
        self.name = architecture
        self.architectures = (architecture,)
        self.text_architecture = text_architecture
        self.model_type = model_type

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        # Qwen3.5 asks its text section whether embeddings are tied (`hf_text_config`), Qwen3-VL the whole config
        if self.model_type.startswith("qwen3_5"):
            section = own_section(config.text(), self.model_type)
        else:
            section = text_section(config, model_type=self.model_type, tied=False)
        section = short_positions(section, context)
        text = text_spec(section, config, context, architecture=self.text_architecture)
        vision = vision_section(config, "qwen3_vl" if "3_5" not in self.model_type else "qwen3_5")
        image = qwen3_image(vision, context.items)
        return multimodal(
            text,
            config,
            modules=(
                *qwen3_tower(vision, "visual."),
                *deepstack_buffers(vision, text.hidden_size, context.max_num_batched_tokens),
            ),
            encoders=(image,),
            renames=QWEN3_RENAMES,
            modalities=("image", "video"),
            data_parallel=True,
        )


def short_positions(section: ModelConfig, context: BuildContext) -> ModelConfig:
    """The same text section with a rotary table of one position per token.

    Qwen3-VL and later have it since 0.32 (`qwen3_vl.py:mrope_positions_factor`) unless videos are pruned; Qwen2-VL and
    older versions have four.
    """
    if context.vllm_version < (0, 32, 0):
        return section
    raw = dict(section.raw)
    for name in ("rope_parameters", "rope_scaling"):
        block = section.sub(name)
        if block is not None and block.has("mrope_section"):
            raw[name] = {**block.raw, "mrope_positions_factor": 1}
    return ModelConfig(raw=raw, path=section.path, section=section.section)


def adapters() -> Iterable[ArchitectureAdapter]:
    """Qwen2-VL, Qwen2.5-VL, EXAONE 4.5, Qwen3-VL (dense, MoE), Qwen3.5/3.6 (dense, MoE)."""
    return [
        Qwen2VL("Qwen2VLForConditionalGeneration", "qwen2_vl"),
        Qwen2VL("Qwen2_5_VLForConditionalGeneration", "qwen2_5_vl"),
        Qwen2VL("Exaone4_5_ForConditionalGeneration", "exaone4_5_vision", "Exaone4ForCausalLM"),
        OpenCua(),
        Qwen3VL("Qwen3VLForConditionalGeneration", "Qwen3ForCausalLM", "qwen3_vl_text"),
        Qwen3VL("Qwen3VLMoeForConditionalGeneration", "Qwen3MoeForCausalLM", "qwen3_vl_moe_text"),
        Qwen3VL("Qwen3_5ForConditionalGeneration", "Qwen3_5ForCausalLM", "qwen3_5_text"),
        Qwen3VL("Qwen3_5MoeForConditionalGeneration", "Qwen3_5MoeForCausalLM", "qwen3_5_moe_text"),
    ]
