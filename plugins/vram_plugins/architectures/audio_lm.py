"""Language models that hear: Qwen2-Audio, Voxtral, and the thinkers of Qwen2.5-Omni and Qwen3-Omni, which also see.

Sources: vLLM 0.32.0 `qwen2_audio.py`, `voxtral.py`, `qwen2_5_omni_thinker.py`, `qwen3_omni_moe_thinker.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture.audio import (
    AudioShape,
    audio_encoder,
    audio_shape,
    qwen2_5_omni_audio_tower,
    qwen2_audio_tower,
    qwen3_omni_audio_tower,
    whisper_encoder,
)
from vram.architecture.reading import optional_section, overridden
from vram.architecture.towers import convolution, multimodal, with_tower
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Module, Tensor, ceil_div
from vram.models.spec import ModelSpec
from vram_plugins.architectures.language import text_section, text_spec
from vram_plugins.architectures.qwen_towers import (
    deepstack_buffers,
    qwen2_5_image,
    qwen2_5_tower,
    qwen3_image,
    qwen3_tower,
)
from vram_plugins.architectures.vision import vision_section

_RENAMES_OMNI = (
    ("thinker.lm_head.", "language_model.lm_head."),
    ("thinker.model.", "language_model.model."),
    ("thinker.", ""),
)


class Qwen2Audio(ArchitectureAdapter):
    """Qwen2-Audio: transformers' encoder and one linear."""

    name = "Qwen2AudioForConditionalGeneration"
    architectures = ("Qwen2AudioForConditionalGeneration",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        text = text_spec(text_section(config, model_type="qwen2"), config, context)
        shape = audio_shape(optional_section(config, "audio_config"))
        modules = (
            *qwen2_audio_tower(shape, "audio_tower."),
            convolution("multi_modal_projector.linear", text.hidden_size, shape.width),
        )
        # the encoder halves the positions once more by pooling
        return multimodal(
            text,
            config,
            modules=modules,
            encoders=(audio_encoder(shape, tokens=shape.positions // 2),),
            modalities=("audio",),
        )


class Voxtral(ArchitectureAdapter):
    """Voxtral: vLLM's Whisper encoder; four frames are joined into one embedding.

    Unlike other towers its layers are shared out over pipeline ranks; here each rank counts all of them.
    """

    name = "VoxtralForConditionalGeneration"
    architectures = ("VoxtralForConditionalGeneration",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        text = text_spec(text_section(config, model_type="llama"), config, context)
        section = optional_section(config, "audio_config")
        shape = audio_shape(section)
        joined = section.integer("downsample_factor", default=max(shape.mlp_width // shape.width, 1))
        modules = (
            *whisper_encoder(shape, "whisper_encoder.whisper_encoder.", positions_dtype="float32"),
            *voxtral_adapter(section, shape, joined, text.hidden_size),
        )
        tokens = context.max_model_len or text.max_model_len
        chunks = ceil_div(tokens * joined, shape.positions)
        return multimodal(
            text,
            config,
            modules=modules,
            encoders=(audio_encoder(shape, tokens=tokens, chunks=chunks),),
            modalities=("audio",),
        )


def voxtral_adapter(audio: ModelConfig, shape: AudioShape, joined: int, width: int) -> tuple[Module, ...]:
    """Voxtral's table of mel bands, and the linears that join frames into an embedding of the language model."""
    at = "audio_language_adapter."
    return (
        Tensor(
            name="whisper_encoder.mel_filters",
            shape=(1 + audio.integer("window_size", default=400) // 2, shape.mels),
            dtype="float32",
            buffer=True,
        ),
        convolution(f"{at}w_in", width, shape.width * joined, bias=False),
        convolution(f"{at}w_out", width, width, bias=False),
    )


class Qwen25Omni(ArchitectureAdapter):
    """The thinker of Qwen2.5-Omni: Qwen2.5-VL with an audio tower. vLLM does not build the talker."""

    name = "Qwen2_5OmniModel"
    architectures = ("Qwen2_5OmniModel", "Qwen2_5OmniForConditionalGeneration")

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        thinker = config.sub("thinker_config") or config
        # only the outermost config's word on ties goes before the text section's own
        section = text_section(config, model_type="qwen2_5_omni_text", section=thinker.text())
        text = text_spec(section, config, context, architecture="Qwen2ForCausalLM")
        audio = optional_section(thinker, "audio_config")
        shape = audio_shape(audio)
        vision = vision_section(thinker, "qwen2_5_vl")
        image = qwen2_5_image(vision, context.items)
        outer = multimodal(
            text,
            config,
            modules=qwen2_5_tower(vision, "visual."),
            encoders=(image,),
            renames=_RENAMES_OMNI,
            modalities=("image", "video"),
        )
        tower = qwen2_5_omni_audio_tower(shape, "audio_tower.", audio.integer("output_dim", default=3584))
        hearing = audio_encoder(shape, tokens=shape.positions // 2, output_width=image.output_width)
        return with_tower(outer, tower, modalities=("audio",), encoders=(hearing,))


class Qwen3Omni(ArchitectureAdapter):
    """The thinker of Qwen3-Omni: Qwen3-VL-MoE with an audio tower."""

    name = "Qwen3OmniMoeForConditionalGeneration"
    architectures = ("Qwen3OmniMoeForConditionalGeneration",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        thinker = config.sub("thinker_config") or config
        section = text_section(config, model_type="qwen3_moe", section=thinker.text())
        if not section.has("head_dim"):  # heads need not divide the width (`qwen3_moe.py`)
            heads = section.integer("num_attention_heads")
            section = overridden(section, head_dim=max(section.integer("hidden_size") // heads, 1))
        text = text_spec(section, config, context, architecture="Qwen3MoeForCausalLM")
        audio = optional_section(thinker, "audio_config")
        shape = audio_shape(audio)
        vision = _square_positions(vision_section(thinker, "qwen3_vl"))
        image = qwen3_image(vision, context.items)
        tower = qwen3_omni_audio_tower(
            shape,
            "audio_tower.",
            channels=audio.integer("downsample_hidden_size", default=480),
            output=audio.integer("output_dim", default=3584),
        )
        # thirteen embeddings per second's hundred frames
        tokens = ceil_div(2 * shape.positions, 100) * 13
        hearing = audio_encoder(shape, tokens=tokens, output_width=image.output_width)
        outer = multimodal(
            text,
            config,
            modules=(
                *qwen3_tower(vision, "visual."),
                *deepstack_buffers(vision, text.hidden_size, context.max_num_batched_tokens),
            ),
            encoders=(image,),
            renames=_RENAMES_OMNI,
            modalities=("image", "video"),
        )
        return with_tower(outer, tower, modalities=("audio",), encoders=(hearing,))


def _square_positions(vision: ModelConfig) -> ModelConfig:
    """Qwen3-Omni's position table has an entry per patch of `image_size`."""
    if not vision.has("image_size"):
        return vision
    grid = vision.integer("image_size") // vision.integer("patch_size")
    return ModelConfig(
        raw={**vision.raw, "num_position_embeddings": max(grid, 1) ** 2}, path=vision.path, section=vision.section
    )


def adapters() -> Iterable[ArchitectureAdapter]:
    """Qwen2-Audio, Voxtral, Qwen2.5-Omni, Qwen3-Omni."""
    return [Qwen2Audio(), Voxtral(), Qwen25Omni(), Qwen3Omni()]
