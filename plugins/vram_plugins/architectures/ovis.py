"""Ovis: a ViT whose patches become words of a visual vocabulary, and an embedding of those words.

Sources: vLLM 0.33.0 `ovis.py`, `ovis2_5.py`, `aimv2.py`, `siglip2navit.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import norm
from vram.architecture.reading import needed_section
from vram.architecture.towers import convolution, dense, multimodal
from vram.architecture.vision_shape import Shape, vision_shape
from vram.architecture.vision_towers import siglip_tower
from vram.architecture.vit import CLIP_NAMES, BlockNames, blocks
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Module, Tensor
from vram.models.spec import ModelSpec
from vram_plugins.architectures.language import text_section, text_spec
from vram_plugins.architectures.vision import image_encoder

_AIM_NAMES = BlockNames(up="mlp.fc13", up_parts=("mlp.fc1", "mlp.fc3"))
_INDICATORS = {1: 5, 2: 4}  # words of the vocabulary that no patch becomes, in Ovis and since 2.5
_CROPS = 9 + 1
_PIXELS = 1792 * 1792  # Ovis 2.5's largest image


class Ovis(ArchitectureAdapter):
    """Ovis 1.6 and 2: SigLIP or AIMv2."""

    name = "Ovis"
    architectures = ("Ovis",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        text = text_spec(text_section(config), config, context)
        tokenizer = needed_section(config, "visual_tokenizer_config")
        backbone = needed_section(tokenizer, "backbone_config")
        shape = vision_shape(backbone)
        at = "visual_tokenizer.backbone."
        aim = backbone.string("model_type") == "aimv2"
        tower = _aim(backbone, shape, at) if aim else siglip_tower(backbone, at, post_norm=True)
        words = tokenizer.integer("vocab_size", default=16384)
        stride = tokenizer.integer("hidden_stride", default=1)
        modules = [*tower, *_vocabulary(shape, words, stride, text.hidden_size, generation=1)]
        tokens = shape.grid**2 // stride**2 * _CROPS
        image = image_encoder(shape, tokens=tokens, patches=shape.grid**2, images=_CROPS)
        return multimodal(text, config, modules=modules, encoders=(image,), prefix="llm.")


class Ovis25(ArchitectureAdapter):
    """Ovis 2.5 and 2.6: SigLIP 2 for images of any size."""

    name = "Ovis2_5"
    architectures = ("Ovis2_5", "Ovis2_6ForCausalLM", "Ovis2_6_MoeForCausalLM")

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        text = text_spec(text_section(config), config, context)
        vit = needed_section(config, "vit_config")
        shape = vision_shape(vit)
        stride = vit.integer("hidden_stride", default=2)
        modules = [
            *_navit(vit, shape, "visual_tokenizer.vit.vision_model."),
            *_vocabulary(shape, config.integer("visual_vocab_size"), stride, text.hidden_size, generation=2),
        ]
        patches = _PIXELS // shape.patch_size**2
        image = image_encoder(shape, tokens=patches // stride**2, patches=patches)
        return multimodal(
            text, config, modules=modules, encoders=(image,), prefix="llm.", modalities=("image", "video")
        )


def _vocabulary(shape: Shape, words: int, stride: int, hidden: int, *, generation: int) -> tuple[Module, ...]:
    """The head over the visual words, and their embeddings."""
    kept = words - _INDICATORS[generation]
    return (
        dense("visual_tokenizer.head.0", shape.width * stride**2, kept, bias=False, quantizable=False),
        norm("visual_tokenizer.head.1", kept, bias=True),
        Tensor(name="vte", shape=(words, hidden)),
    )


def _aim(config: ModelConfig, shape: Shape, at: str) -> Iterable[Module]:
    """AIMv2 without its last norm."""
    bias = config.flag("use_bias") or config.flag("mlp_bias")
    yield convolution(
        f"{at}preprocessor.patchifier.proj", shape.width, shape.channels, shape.patch_size, shape.patch_size
    )
    yield norm(f"{at}preprocessor.patchifier.norm", shape.width)
    yield Tensor(name=f"{at}preprocessor.pos_embed", shape=(shape.grid**2, shape.width))
    yield from blocks(
        f"{at}trunk.blocks",
        count=shape.layers,
        width=shape.width,
        heads=shape.heads,
        mlp_width=shape.mlp_width,
        names=_AIM_NAMES,
        qkv_bias=config.flag("qkv_bias"),
        out_bias=bias,
        mlp_bias=bias,
        gated=True,
        norm_bias=False,
    )


def _navit(config: ModelConfig, shape: Shape, at: str) -> Iterable[Module]:
    """SigLIP 2: patches embedded by a convolution, or by a linear where the number of positions is given."""
    count = config.integer("num_patches", default=-1, low=-1)
    patch = shape.channels * shape.patch_size**2
    if count > 0:
        yield dense(f"{at}embeddings.patch_embedding", patch, shape.width, quantizable=False)
    else:
        yield convolution(f"{at}embeddings.patch_embedding", shape.width, patch)
    if config.flag("preserve_original_pe"):
        positions = count if count > 0 else shape.grid**2
        yield Tensor(name=f"{at}embeddings.position_embedding", shape=(positions, shape.width))
    yield from blocks(
        f"{at}encoder.layers",
        count=shape.layers,
        width=shape.width,
        heads=shape.heads,
        mlp_width=shape.mlp_width,
        names=CLIP_NAMES,
    )
    frequencies = shape.width // shape.heads // 4
    yield Tensor(name=f"{at}encoder.rotary_pos_emb.inv_freq", shape=(frequencies,), dtype="float32", buffer=True)
    yield norm(f"{at}post_layernorm", shape.width, bias=True)


def adapters() -> Iterable[ArchitectureAdapter]:
    """Ovis."""
    return [Ovis(), Ovis25()]
