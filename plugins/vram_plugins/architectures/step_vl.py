"""Step with images: Step3's ViT, and the Perception Encoder of Step3-VL-10B and Step 3.7.

Sources: vLLM 0.33.0 `step3_vl.py`, `step_vl.py`, `step3p7.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import norm
from vram.architecture.towers import convolution, dense, multimodal, position_ids
from vram.architecture.vision_shape import Shape, vision_shape
from vram.architecture.vit import BlockNames, blocks
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Module, Tensor
from vram.models.spec import ModelSpec
from vram_plugins.architectures.language import text_section, text_spec
from vram_plugins.architectures.vision import image_encoder, vision_section

_CROPS = 16  # patches of a large image beside the overview, at most (`step3_vl.py:ImagePatcher`)
_IMAGE_TOKENS, _CROP_TOKENS = 169, 81
_NAMES = BlockNames(qkv="attn.qkv_proj", out="attn.out_proj")


class Step3VL(ArchitectureAdapter):
    """Step3: a ViT without a scheme, two convolutions and a projection that torch holds."""

    name = "Step3VLForConditionalGeneration"
    architectures = ("Step3VLForConditionalGeneration",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        text = text_spec(text_section(config), config, context, architecture="Step3TextForCausalLM")
        vision = vision_section(config, "step3_vision_encoder")
        shape = vision_shape(vision)
        width, out = shape.width, vision.integer("output_hidden_size", default=4096)
        at = "vision_model."
        modules = [
            Tensor(name=f"{at}embeddings.class_embedding", shape=(width,)),
            convolution(f"{at}embeddings.patch_embedding", width, shape.channels, shape.patch_size, shape.patch_size),
            Tensor(name=f"{at}embeddings.position_embedding", shape=(shape.grid**2 + 1, width)),
            position_ids(f"{at}embeddings.position_ids", shape.grid**2 + 1),
            *blocks(
                f"{at}transformer.layers",
                count=shape.layers,
                width=width,
                heads=shape.heads,
                mlp_width=shape.mlp_width,
                quantizable=False,
            ),
            convolution("vit_downsampler", out, width, 2, 2),
            convolution("vit_downsampler2", 2 * out, out, 3, 3),
            convolution("vit_large_projector", text.hidden_size, 2 * out, bias=config.flag("projector_bias")),
        ]
        return _with_images(text, config, modules, shape)


class StepVL(ArchitectureAdapter):
    """The Perception Encoder, a rotary table in every layer, two convolutions, a projection shared out over ranks."""

    name = "StepVLForConditionalGeneration"
    architectures = ("StepVLForConditionalGeneration", "Step3p7ForConditionalGeneration")

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        text = text_spec(text_section(config), config, context)
        vision = vision_section(config, "perception_encoder")
        width = vision.integer("width")
        shape = Shape(
            width=width,
            layers=vision.integer("layers"),
            heads=vision.integer("heads"),
            mlp_width=int(width * vision.number("mlp_ratio", default=4.0)),
            image_size=vision.integer("image_size"),
            patch_size=vision.integer("patch_size"),
            channels=3,
        )
        projector = dense(
            "vit_large_projector",
            4 * width,
            text.hidden_size,
            parallel="column",
            bias=config.flag("projector_bias"),
        )
        return _with_images(text, config, [*_perception_encoder(vision, shape), projector], shape, data_parallel=True)


def _perception_encoder(vision: ModelConfig, shape: Shape) -> Iterable[Module]:
    at, width = "vision_model.", shape.width
    classes = int(vision.flag("use_cls_token"))
    positions = shape.grid**2 + classes
    yield convolution(f"{at}conv1", width, 3, shape.patch_size, shape.patch_size, bias=False)
    yield from blocks(
        f"{at}transformer.resblocks",
        count=shape.layers,
        width=width,
        heads=shape.heads,
        mlp_width=shape.mlp_width,
        names=_NAMES,
        scales=2 if vision.has("ls_init_value") else 0,
    )
    yield Tensor(
        name=f"{at}transformer.resblocks.0.attn.rope.freqs_cache",
        shape=(positions, width // shape.heads),
        dtype="float32",
        buffer=True,
        count=shape.layers,
    )
    for name in ("pre", "post"):
        if vision.flag(f"use_ln_{name}"):
            yield norm(f"{at}ln_{name}", width, bias=True)
    yield convolution(f"{at}vit_downsampler1", 2 * width, width, 3, 3)
    yield convolution(f"{at}vit_downsampler2", 4 * width, 2 * width, 3, 3)
    if classes:
        yield Tensor(name=f"{at}class_embedding", shape=(width,))
    if vision.flag("use_abs_posemb"):
        yield Tensor(name=f"{at}positional_embedding", shape=(positions, width))


def _with_images(
    text: ModelSpec, config: ModelConfig, modules: Iterable[Module], shape: Shape, *, data_parallel: bool = False
) -> ModelSpec:
    tokens = _IMAGE_TOKENS + _CROPS * _CROP_TOKENS
    image = image_encoder(shape, tokens=tokens, patches=shape.grid**2, images=_CROPS + 1)
    return multimodal(text, config, modules=modules, encoders=(image,), data_parallel=data_parallel)


def adapters() -> Iterable[ArchitectureAdapter]:
    """Step with images."""
    return [Step3VL(), StepVL()]
