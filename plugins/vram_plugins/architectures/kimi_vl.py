"""Kimi-VL and Kimi-K2.5: MoonViT, a replicated projector, DeepSeek's language model.

Sources: vLLM 0.32.0 `kimi_vl.py`, `moonvit.py`, `kimi_k25.py`, `kimi_k25_vit.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import norm
from vram.architecture.native_towers import moon_tower
from vram.architecture.towers import dense, multimodal
from vram.architecture.vision_shape import vision_shape
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Module, Tensor
from vram.models.spec import ModelSpec
from vram_plugins.architectures.language import text_section, text_spec
from vram_plugins.architectures.vision import image_encoder, vision_section

_RENAMES_K25 = (
    ("language_model.layers.", "language_model.model.layers."),
    ("mm_projector.proj.0", "mm_projector.linear_1"),
    ("mm_projector.proj.2", "mm_projector.linear_2"),
)
#: in_token_limit of the published preprocessors: patches of the largest image
_VL_PATCHES = 4096
_K25_PATCHES = 16384
#: methods whose weights are floats to `Module.to` (`kimi_k25.py`, 0.33.0)
_CAST = ("fp8", "modelopt")


def _projector(at: str, width: int, merge: int, hidden: int, *, quantizable: bool) -> tuple[Module, ...]:
    merged = width * merge
    return (
        norm(f"{at}pre_norm", width, bias=True),
        dense(f"{at}linear_1", merged, merged, quantizable=quantizable),
        dense(f"{at}linear_2", merged, hidden, quantizable=quantizable),
    )


def _untied(config: ModelConfig) -> ModelConfig:
    """The text section; vLLM's DeepSeek never ties its embeddings, whatever the outer config says."""
    section = text_section(config)
    return ModelConfig(raw={**section.raw, "tie_word_embeddings": False}, path=section.path, section=section.section)


def _merge(vision: ModelConfig) -> int:
    kernel = vision.integers("merge_kernel_size") or (2, 2)
    if len(kernel) != 2 or min(kernel) < 1:
        raise vision.error("merge_kernel_size", "must be two positive integers")
    return kernel[0] * kernel[1]


class KimiVL(ArchitectureAdapter):
    """Kimi-VL: tower and projector take no quantization."""

    name = "KimiVLForConditionalGeneration"
    architectures = ("KimiVLForConditionalGeneration",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        text = text_spec(_untied(config), config, context, architecture="DeepseekV3ForCausalLM")
        vision = vision_section(config, "moonvit")
        shape = vision_shape(vision)
        merge = _merge(vision)
        modules = (
            *moon_tower(vision, "vision_tower.", quantizable=False),
            *_projector("multi_modal_projector.", shape.width, merge, text.hidden_size, quantizable=False),
        )
        image = image_encoder(shape, tokens=_VL_PATCHES // merge, patches=_VL_PATCHES)
        return multimodal(text, config, modules=modules, encoders=(image,), data_parallel=True)


class KimiK25(ArchitectureAdapter):
    """Kimi-K2.5 and later: the tower also sees video chunks, and falls back to whole copies per rank.

    vLLM casts the tower to the model's dtype unless it gave it a quantization; its times then stay in fp32.
    """

    name = "KimiK25ForConditionalGeneration"
    architectures = ("KimiK25ForConditionalGeneration",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        text = text_spec(_untied(config), config, context, architecture="DeepseekV3ForCausalLM")
        vision = vision_section(config, "kimi_k25_vision")
        vision = _new_names(vision)
        shape = vision_shape(vision)
        merge = _merge(vision)
        quantizable = context.quantization != "compressed-tensors"
        # the projector is cast to the model's dtype once it is made, which makes fp8 numbers as wide as the others
        projected = quantizable and context.quantization not in _CAST
        sharded = shape.heads % context.tensor_parallel_size == 0
        frames = vision.integer("pos_emb_time", "init_pos_emb_time", default=4)
        modules = (
            *moon_tower(vision, "vision_tower.", sharded=sharded, quantizable=quantizable),
            Tensor(
                name="vision_tower.patch_embed.pos_emb.time_weight",
                shape=(frames, shape.width),
                dtype="float32" if quantizable and context.quantization else None,
                buffer=True,
            ),
            *_projector("mm_projector.", shape.width, merge, text.hidden_size, quantizable=projected),
        )
        image = image_encoder(
            shape, tokens=_K25_PATCHES // merge, patches=_K25_PATCHES, tensor_parallel=sharded, modality="vision_chunk"
        )
        return multimodal(
            text,
            config,
            modules=modules,
            encoders=(image,),
            renames=_RENAMES_K25,
            modalities=("vision_chunk",),
            data_parallel=True,
        )


def _new_names(vision: ModelConfig) -> ModelConfig:
    """Published configs prefix the tower's own fields with `vt_`."""
    raw = dict(vision.raw)
    for name in ("hidden_size", "intermediate_size", "num_attention_heads", "num_hidden_layers"):
        if raw.get(f"vt_{name}") is not None:
            raw[name] = raw[f"vt_{name}"]
    return ModelConfig(raw=raw, path=vision.path, section=vision.section)


def adapters() -> Iterable[ArchitectureAdapter]:
    """Kimi-VL, Kimi-K2.5."""
    return [KimiVL(), KimiK25()]
