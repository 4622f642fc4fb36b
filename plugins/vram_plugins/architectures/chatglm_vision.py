"""GLM-4V-9B: ChatGLM with an EVA2-CLIP tower inside. Source: vLLM 0.33.0 `glm4v.py`."""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import norm
from vram.architecture.reading import needed_section, overridden
from vram.architecture.towers import convolution, dense, with_tower
from vram.architecture.vision_shape import Shape, vision_shape
from vram.architecture.vit import BlockNames, blocks
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Linear, Module, Split, Tensor
from vram.models.record import evolve
from vram.models.spec import ModelSpec
from vram_plugins.architectures.glm import ChatGlm
from vram_plugins.architectures.vision import image_encoder

_AT = "transformer.vision."
_BLOCKS = BlockNames(qkv="attention.query_key_value", out="attention.dense")
_JOINED = 2  # patches along each edge that the convolution after the tower makes one
_MARKS = 2  # embeddings that begin and end an image


class ChatGlmVision(ArchitectureAdapter):
    """The language model under ChatGLM's names; the vision section must say everything, it has no class of its own."""

    name = "GLM4VForCausalLM"
    architectures = ("GLM4VForCausalLM",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        text = ChatGlm().build(overridden(config, architectures=["ChatGLMModel"], vision_config=None), context)
        vision = needed_section(config, "vision_config")
        shape = vision_shape(vision)
        modules = _tower(config, vision, shape, out=text.hidden_size)
        tokens = (shape.grid // _JOINED) ** 2 + _MARKS
        image = image_encoder(shape, tokens=tokens, patches=shape.grid**2 + 1)
        return with_tower(
            evolve(text, architecture=config.architecture), modules, modalities=("image",), encoders=(image,)
        )


def _tower(config: ModelConfig, vision: ModelConfig, shape: Shape, *, out: int) -> tuple[Module, ...]:
    middle = config.integer("ffn_hidden_size", default=13696)
    return (
        Tensor(name=f"{_AT}marks", shape=(_MARKS, out)),
        Tensor(name=f"{_AT}patch_embedding.cls_embedding", shape=(shape.width,)),
        convolution(f"{_AT}patch_embedding.proj", shape.width, shape.channels, shape.patch_size, shape.patch_size),
        Tensor(name=f"{_AT}patch_embedding.position_embedding", shape=(vision.integer("num_positions"), shape.width)),
        *blocks(
            f"{_AT}transformer.layers",
            count=shape.layers,
            width=shape.width,
            heads=shape.heads,
            mlp_width=shape.mlp_width,
            names=_BLOCKS,
        ),
        convolution(f"{_AT}conv", out, shape.width, _JOINED, _JOINED),
        dense(f"{_AT}linear_proj.linear_proj", out, out, bias=False),
        norm(f"{_AT}linear_proj.norm1", out, bias=True),
        Linear(
            name=f"{_AT}linear_proj.merged_proj",
            inputs=out,
            outputs=(Split(size=middle), Split(size=middle)),
            sources=(f"{_AT}linear_proj.gate_proj", f"{_AT}linear_proj.dense_h_to_4h"),
        ),
        dense(f"{_AT}linear_proj.dense_4h_to_h", middle, out, parallel="row", bias=False),
    )


def adapters() -> Iterable[ArchitectureAdapter]:
    """GLM-4V-9B."""
    return [ChatGlmVision()]
