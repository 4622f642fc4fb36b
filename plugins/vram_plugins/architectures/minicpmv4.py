"""MiniCPM-V 4.6 and 4.7, MiniCPM-OCR: a NaViT tower, windows of it merged twice by torch's linears, Qwen3.5.

Sources: vLLM 0.33.0 `minicpmv4_6.py`, `minicpmv4_7.py`, `minicpm_ocr.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import norm
from vram.architecture.towers import convolution, dense, multimodal
from vram.architecture.vision_shape import Shape, vision_shape
from vram.architecture.vision_towers import navit_tower
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Linear, Module, Split
from vram.models.spec import ModelSpec
from vram_plugins.architectures.language import own_section, text_spec
from vram_plugins.architectures.qwen_vl import short_positions
from vram_plugins.architectures.vision import image_encoder, vision_section

_WINDOW = 4  # both merges join 2 × 2 patches, whatever `merge_kernel_size` says
_PIXELS = 448  # edge of a slice (`scale_resolution` of the published preprocessors)
_MAX_SLICES = 9


class MiniCPMV4(ArchitectureAdapter):
    """4.6 drops the last layer of the tower where its config says so; `downsample_mode` "4x", OCR's own, merges once."""

    name = "MiniCPMV4_6ForConditionalGeneration"
    architectures = (
        "MiniCPMV4_6ForConditionalGeneration",
        "MiniCPMV4_7ForConditionalGeneration",
        "MiniCPMOcrForConditionalGeneration",
    )

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        section = short_positions(own_section(config.text(), "qwen3_5_text"), context)
        text = text_spec(section, config, context, architecture="Qwen3_5ForCausalLM")
        vision = vision_section(config, "minicpmv4_6_vision")
        shape = vision_shape(vision)
        drops = config.architecture == self.name and config.flag("drop_vision_last_layer")
        modules = (
            *navit_tower(vision, "vpm.", layers=shape.layers - drops),
            *_window_merger(shape),
            *_merger(shape.width, text.hidden_size),
        )
        slices = (config.sub("slice_config") or config).integer("max_slice_nums", default=_MAX_SLICES) + 1
        patches = (_PIXELS // shape.patch_size) ** 2
        mode = config.string("downsample_mode", default="4x" if "Ocr" in config.architecture else "16x")
        joined = _WINDOW if mode == "4x" else _WINDOW**2
        image = image_encoder(shape, tokens=patches // joined * slices, patches=patches, images=slices)
        return multimodal(
            text,
            config,
            modules=modules,
            encoders=(image,),
            renames=(
                ("model.vision_tower.vit_merger.", "vit_merger."),
                ("model.vision_tower.", "vpm."),
                ("model.language_model.", "language_model.model."),
                ("lm_head.", "language_model.lm_head."),
                ("model.", ""),
            ),
            modalities=("image",),
            data_parallel=True,
        )


def _window_merger(shape: Shape) -> tuple[Module, ...]:
    """Attention within each window, divided over ranks, and two whole linears from four patches to one."""
    at, width, joined = "vit_merger.", shape.width, _WINDOW * shape.width
    qkv = Linear(
        name=f"{at}self_attn.qkv_proj",
        inputs=width,
        outputs=(Split(size=width, units=shape.heads),) * 3,
        bias=True,
        sources=tuple(f"{at}self_attn.{part}_proj" for part in "qkv"),
    )
    return (
        qkv,
        dense(f"{at}self_attn.out_proj", width, width, parallel="row"),
        norm(f"{at}layer_norm1", width, bias=True),
        norm(f"{at}pre_norm", joined, bias=True),
        convolution(f"{at}linear_1", _WINDOW * shape.mlp_width, joined),
        convolution(f"{at}linear_2", width, _WINDOW * shape.mlp_width),
    )


def _merger(width: int, hidden_size: int) -> tuple[Module, ...]:
    """Four merged patches to one embedding."""
    at, joined = "merger.mlp.0.", _WINDOW * width
    return (
        norm(f"{at}pre_norm", joined, bias=True),
        convolution(f"{at}linear_1", joined, joined),
        convolution(f"{at}linear_2", hidden_size, joined),
    )


def adapters() -> Iterable[ArchitectureAdapter]:
    """MiniCPM-V 4.6 and 4.7, MiniCPM-OCR."""
    return [MiniCPMV4()]
