"""Gemma 4 without towers: patches and sound go through one projection into the language model.

Source: vLLM 0.33.0 `gemma4_unified.py`; defaults are transformers' Gemma4UnifiedVisionConfig's and -AudioConfig's.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import norm
from vram.architecture.reading import overridden
from vram.architecture.towers import dense, multimodal, with_tower
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Module, Tensor
from vram.models.record import evolve
from vram.models.spec import Encoder, ModelSpec
from vram_plugins.architectures.diffusion_gemma import wide_heads
from vram_plugins.architectures.language import text_section, text_spec

_RENAMES = (
    ("model.embed_audio.", "embed_audio."),
    ("model.embed_vision.", "embed_vision."),
    ("model.language_model.", "language_model.model."),
    ("model.vision_embedder.", "vision_embedder."),
    ("lm_head.", "language_model.lm_head."),
    ("model.", "language_model.model."),
)
_VIDEO_FRAMES, _FRAME_TOKENS = 32, 70 + 2 + 6  # `gemma4_unified.py:get_mm_max_tokens_per_item`
_AUDIO_TOKENS = 750  # the processor's audio_seq_length


class Gemma4Unified(ArchitectureAdapter):
    """A dense projection of patches between norms, with positions of rows and columns; no embeddings per layer."""

    name = "Gemma4UnifiedForConditionalGeneration"
    architectures = ("Gemma4UnifiedForConditionalGeneration",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        section = text_section(config, tied=True, hidden_size_per_layer_input=0)
        section = overridden(section, model_type="gemma4_text", **wide_heads(section))
        text = text_spec(section, config, context, architecture="Gemma4ForCausalLM")
        vision = config.sub("vision_config")
        if vision is None:
            raise config.error("vision_config", "is missing, without which vLLM refuses the model")
        spec = multimodal(
            text,
            config,
            modules=_embedder(vision, text.hidden_size),
            encoders=tuple(_seen(vision)),
            renames=_RENAMES,
            modalities=("image", "video"),
        )
        if section.get("use_bidirectional_attention") == "vision":
            spec = evolve(spec, hints=spec.hints | {"mm_prefix_lm"})
        audio = config.sub("audio_config")
        if audio is None:
            return spec
        width = audio.integer("audio_embed_dim", default=640)
        projection = dense("embed_audio.embedding_projection", width, text.hidden_size, bias=False)
        return with_tower(
            spec, (projection,), modalities=("audio",), encoders=(_item("audio", _AUDIO_TOKENS, width, width),)
        )


def _embedder(vision: ModelConfig, hidden: int) -> tuple[Module, ...]:
    inputs, width = _patch(vision), vision.integer("mm_embed_dim", default=3840)
    at = "vision_embedder."
    return (
        norm(f"{at}patch_ln1", inputs, bias=True),
        dense(f"{at}patch_dense", inputs, width, parallel="column"),
        norm(f"{at}patch_ln2", width, bias=True),
        Tensor(name=f"{at}pos_embedding", shape=(vision.integer("mm_posemb_size", default=1120), 2, width)),
        norm(f"{at}pos_norm", width, bias=True),
        dense(
            "embed_vision.embedding_projection", vision.integer("output_proj_dims", default=3840), hidden, bias=False
        ),
    )


def _patch(vision: ModelConfig) -> int:
    """Numbers of one patch of the model: its edge is the image patch's times the pooling's."""
    return 3 * (vision.integer("patch_size", default=16) * vision.integer("pooling_kernel_size", default=3)) ** 2


def _seen(vision: ModelConfig) -> Iterable[Encoder]:
    width = vision.integer("mm_embed_dim", default=3840)
    yield _item("image", vision.integer("num_soft_tokens", default=280), width, _patch(vision))
    yield _item("video", _VIDEO_FRAMES * _FRAME_TOKENS, width, _patch(vision))


def _item(modality: str, tokens: int, width: int, inputs: int) -> Encoder:
    return Encoder(
        modality=modality,
        max_item_tokens=tokens,
        patches=tokens,
        width=width,
        mlp_width=width,
        heads=1,
        tensor_parallel=False,
        input_elements=tokens * inputs,
    )


def adapters() -> Iterable[ArchitectureAdapter]:
    """Gemma 4 Unified."""
    return [Gemma4Unified()]
