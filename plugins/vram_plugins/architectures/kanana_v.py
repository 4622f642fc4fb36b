"""Kanana-V: Qwen2-VL's ViT without its merger, an abstractor of RegNet stages around a merge of patches, Llama.

Sources: vLLM 0.33.0 `kanana_v.py`; timm's `RegStage`, `Bottleneck`.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture.reading import needed_section
from vram.architecture.towers import convolution, multimodal, unquantized
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Module, Tensor
from vram.models.spec import ModelSpec
from vram_plugins.architectures.language import text_section, text_spec
from vram_plugins.architectures.qwen_towers import QWEN2_PIXELS, largest_image, qwen2_tower
from vram_plugins.architectures.vision import vision_section


class KananaV(ArchitectureAdapter):
    """Neither tower nor abstractor takes a quantization; the abstractor is whole on every rank."""

    name = "KananaVForConditionalGeneration"
    architectures = ("KananaVForConditionalGeneration",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        text = text_spec(text_section(config, model_type="llama"), config, context)
        vision = vision_section(config, "qwen2_vl")
        projector = needed_section(config, "projector_config")
        tower = (module for module in qwen2_tower(vision, "vision_model.") if ".merger." not in module.name)
        width = vision.integer("embed_dim")
        image = largest_image(
            vision,
            QWEN2_PIXELS,
            items=context.items,
            width=width,
            mlp_width=int(width * vision.number("mlp_ratio")),
            out=projector.integer("output_hidden_size"),
            gated=False,
        )
        modules = (
            *unquantized(tower),
            *_abstractor(projector),
        )
        return multimodal(text, config, modules=modules, encoders=(image,))


def _abstractor(config: ModelConfig) -> Iterable[Module]:
    """Two stages of `depth` blocks with a merge between them, and linears to the language model."""
    seen, width = config.integer("encoder_hidden_size"), config.integer("hidden_size")
    depth, out = config.integer("depth", low=0), config.integer("output_hidden_size")
    if config.flag("pos_emb"):
        yield Tensor(name="abstractor.pos_emb", shape=(config.integer("pos_emb_size"), seen))
    merged = config.integer("merge_size") ** 2 * width
    for stage, inputs in ((0, seen), (2, merged)) if depth else ():
        yield from _block(f"abstractor.net.{stage}.b1.", inputs, width, count=1)
        yield from _block(f"abstractor.net.{stage}.b2.", width, width, count=depth - 1)
    inputs = width if depth else seen
    for index in range(config.integer("mlp_depth", default=2)):
        yield convolution(f"abstractor.readout.{2 * index}", out, inputs)
        inputs = out


def _block(at: str, inputs: int, width: int, *, count: int) -> Iterable[Module]:
    """timm's Bottleneck of RegNetY: depthwise convolution and squeeze-excitation between two of 1 × 1."""
    if not count:
        return
    squeezed = round(inputs / 4)
    yield convolution(f"{at}conv1", width, inputs, bias=False, count=count)
    yield convolution(f"{at}conv2", width, 1, 3, 3, bias=False, count=count)
    yield convolution(f"{at}conv3", width, width, bias=False, count=count)
    yield convolution(f"{at}se.fc1", squeezed, width, count=count)
    yield convolution(f"{at}se.fc2", width, squeezed, count=count)
    shortcut = inputs != width
    if shortcut:
        yield convolution(f"{at}downsample", width, inputs, bias=False, count=count)
    yield Tensor(name=f"{at}norms", shape=(3 + shortcut, 2 * width), count=count)


def adapters() -> Iterable[ArchitectureAdapter]:
    """Kanana-V."""
    return [KananaV()]
