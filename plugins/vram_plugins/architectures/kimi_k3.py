"""Kimi K3: a bias-free MoonViT and a replicated projector beside Kimi-Linear's language model.

Sources: vLLM 0.32.0 `models/kimi_k3/nvidia/model.py`, `model_executor/models/kimi_k25_vit.py`,
`transformers_utils/configs/kimi_k3.py` (defaults).
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import norm
from vram.architecture.reading import optional_section
from vram.architecture.towers import convolution, dense, multimodal
from vram.architecture.vision_shape import Shape
from vram.architecture.vit import BlockNames, blocks
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Module, Tensor
from vram.models.record import evolve
from vram.models.spec import Draft, ModelSpec
from vram_plugins.architectures.kimi_linear import KimiLinear
from vram_plugins.architectures.language import text_section, text_spec
from vram_plugins.architectures.vision import image_encoder

#: in_token_limit of Kimi K2.5's published preprocessor; K3's is taken to be the same
_PATCHES = 16384

_RENAMES = (
    ("language_model.layers.", "language_model.model.layers."),
    ("mm_projector.proj.0", "mm_projector.linear_1"),
    ("mm_projector.proj.2", "mm_projector.linear_2"),
)


class KimiK3(ArchitectureAdapter):
    """Kimi K3."""

    name = "kimi_k3"
    architectures = ("KimiK3ForConditionalGeneration",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        text = text_spec(text_section(config), config, context, architecture="KimiLinearForCausalLM")
        vision = optional_section(config, "vision_config")
        heads = vision.integer("vt_num_attention_heads", default=12)
        sharded = heads % context.tensor_parallel_size == 0
        shape = _shape(vision, heads)
        merge = _merge(vision)
        image = image_encoder(
            shape, tokens=_PATCHES // merge, patches=_PATCHES, tensor_parallel=sharded, modality="vision_chunk"
        )
        spec = multimodal(
            text,
            config,
            modules=(*_tower(vision, shape, sharded=sharded), *_projector(vision, shape, merge, text.hidden_size)),
            encoders=(image,),
            modalities=("vision_chunk",),
            data_parallel=True,
            renames=_RENAMES,
        )
        note = "The largest image of Kimi K3 is taken to have as many patches as Kimi K2.5's."
        return evolve(spec, assumptions=(*spec.assumptions, note))

    def draft(self, config: ModelConfig, context: BuildContext) -> Draft:
        """The language model's prediction layers. Raises ArchitectureError, ConfigError."""
        section = config.text()
        raw = {**section.raw, "architectures": list(KimiLinear.architectures)}
        return KimiLinear().draft(ModelConfig(raw=raw, path=section.path, section=section.section), context)


def _shape(vision: ModelConfig, heads: int) -> Shape:
    return Shape(
        width=vision.integer("vt_hidden_size", default=1024),
        mlp_width=vision.integer("vt_intermediate_size", default=4096),
        heads=heads,
        layers=vision.integer("vt_num_hidden_layers", default=27),
        patch_size=vision.integer("patch_size", default=14),
        image_size=0,
        channels=3,
    )


def _merge(vision: ModelConfig) -> int:
    kernel = vision.integers("merge_kernel_size") or (2, 2)
    if len(kernel) != 2 or min(kernel) < 1:
        raise vision.error("merge_kernel_size", "must be two positive integers")
    return kernel[0] * kernel[1]


def _tower(vision: ModelConfig, shape: Shape, *, sharded: bool) -> tuple[Module, ...]:
    at, grid = (
        "vision_tower.",
        tuple(vision.integer(f"init_pos_emb_{side}", default=64) for side in ("height", "width")),
    )
    linear_bias = vision.flag("linear_bias")
    attention_bias = vision.flag("attn_bias")
    layer_norm = vision.string("norm_type", default="rmsnorm") == "layernorm"
    return (
        convolution(
            f"{at}patch_embed.proj",
            shape.width,
            shape.channels,
            shape.patch_size,
            shape.patch_size,
            bias=vision.flag("patch_embed_proj_bias"),
        ),
        Tensor(name=f"{at}patch_embed.pos_emb", shape=(*grid, shape.width)),
        Tensor(
            name=f"{at}patch_embed.pos_emb.time_weight",
            shape=(vision.integer("init_pos_emb_time", default=4), shape.width),
            dtype="float32",
            buffer=True,
        ),
        *blocks(
            f"{at}encoder.blocks",
            count=shape.layers,
            width=shape.width,
            heads=shape.heads,
            mlp_width=shape.mlp_width,
            head_dim=vision.integer("qkv_hidden_size", default=1536) // shape.heads or 1,
            names=BlockNames(qkv="wqkv", out="wo", up="mlp.fc0", down="mlp.fc1"),
            qkv_bias=attention_bias,
            out_bias=attention_bias,
            mlp_bias=linear_bias,
            norm_bias=layer_norm,
            sharded=sharded,
        ),
        norm(f"{at}encoder.final_layernorm", shape.width, bias=layer_norm),
    )


def _projector(vision: ModelConfig, shape: Shape, merge: int, hidden: int) -> tuple[Module, ...]:
    """Two linears; before them a norm with biases, or after them one without ("patchmergerv2")."""
    merged = shape.width * merge
    second = vision.string("mm_projector_type", default="patchmergerv2") == "patchmergerv2"
    scale = norm("mm_projector.post_norm", hidden) if second else norm("mm_projector.pre_norm", shape.width, bias=True)
    return (
        scale,
        dense("mm_projector.linear_1", merged, merged, bias=not second),
        dense("mm_projector.linear_2", merged, hidden, bias=not second),
    )


def adapters() -> Iterable[ArchitectureAdapter]:
    """Kimi K3."""
    return [KimiK3()]
