"""DeepSeek V4 with images: a ViT, an aligner of patches joined, a second correction of every router.

Source: vLLM 0.33.0 `models/deepseek_v4/common/vision.py`, `common/vl_model.py`, `nvidia/model.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import norm
from vram.architecture.reading import overridden
from vram.architecture.towers import convolution, dense, multimodal
from vram.architecture.vision_shape import Shape
from vram.architecture.vit import BlockNames, blocks
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Module, Tensor
from vram.models.record import evolve
from vram.models.spec import ModelSpec
from vram_plugins.architectures.deepseek_v4 import DeepSeekV4
from vram_plugins.architectures.vision import image_encoder

_NAMES = BlockNames(qkv="attn.wqkv", out="attn.wo", up="mlp.w1", down="mlp.w2")
_MARKS = 4  # embeddings of an image's start, end, line end and padding


class DeepSeekV4Vision(ArchitectureAdapter):
    """The outer config has the language model's fields, and the tower's under `vision_`."""

    name = "DeepseekV4ForConditionalGeneration"
    architectures = ("DeepseekV4ForConditionalGeneration",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        text = DeepSeekV4().build(overridden(config, architectures=["DeepseekV4ForCausalLM"]), context)
        count = config.integer("n_routed_experts")
        bias = Tensor(name="ffn.gate.bias_vl", shape=(count,), dtype="float32")
        runs = tuple(evolve(run, layer=evolve(run.layer, modules=(*run.layer.modules, bias))) for run in text.runs)
        shape = Shape(
            width=config.integer("vision_dim"),
            layers=config.integer("vision_n_layers"),
            heads=config.integer("vision_n_heads"),
            mlp_width=config.integer("vision_inter_dim"),
            image_size=config.integer("vision_patch_size", default=14),
            patch_size=config.integer("vision_patch_size", default=14),
            channels=3,
        )
        joined = config.integer("vision_downsample_ratio", default=3) ** 2
        patches = config.integer("vision_max_patches", default=1296 * joined)
        image = image_encoder(shape, tokens=max(patches // joined, 1), patches=patches, gated=True)
        return multimodal(
            evolve(text, runs=runs), config, modules=_tower(shape, text.hidden_size, joined), encoders=(image,)
        )


def _tower(shape: Shape, hidden: int, joined: int) -> Iterable[Module]:
    yield Tensor(name="image_marks", shape=(_MARKS, hidden), dtype="float32")
    yield convolution("vision.patch_embed.proj", shape.width, shape.channels * shape.patch_size**2)
    yield from blocks(
        "vision.blocks",
        count=shape.layers,
        width=shape.width,
        heads=shape.heads,
        mlp_width=shape.mlp_width,
        names=_NAMES,
        mlp_bias=False,
        gated=True,
        norm_bias=False,
        quantizable=False,
    )
    yield norm("vision.norm", shape.width)
    yield dense("aligner.w1", shape.width * joined, hidden, quantizable=False)
    yield dense("aligner.w2", hidden, hidden, quantizable=False)


def adapters() -> Iterable[ArchitectureAdapter]:
    """DeepSeek V4 with images."""
    return [DeepSeekV4Vision()]
