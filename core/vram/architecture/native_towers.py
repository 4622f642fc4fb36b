"""Towers for images of any resolution with rotary positions: Pixtral and MoonViT.

Shapes as vLLM 0.32.0 builds them in `pixtral.py`, `moonvit.py`, `kimi_k25_vit.py`.
"""

from __future__ import annotations

from vram.architecture.parts import norm
from vram.architecture.towers import convolution
from vram.architecture.vision_shape import vision_shape
from vram.architecture.vit import BlockNames, blocks
from vram.models.config import ModelConfig
from vram.models.parameters import Module, Tensor

PIXTRAL_NAMES = BlockNames(
    qkv="attention.qkv_proj",
    qkv_parts=("attention.q_proj", "attention.k_proj", "attention.v_proj"),
    out="attention.o_proj",
    up="feed_forward.gate_up_proj",
    up_parts=("feed_forward.gate_proj", "feed_forward.up_proj"),
    down="feed_forward.down_proj",
)


def pixtral_tower(config: ModelConfig, prefix: str, *, layers: int | None = None) -> tuple[Module, ...]:
    """Pixtral's ViT in Hugging Face form: no position table, two fp32 frequency buffers, gated MLP. Raises ConfigError."""
    shape = vision_shape(config)
    head_dim = config.integer("head_dim", default=shape.width // shape.heads)
    return (
        convolution(f"{prefix}patch_conv", shape.width, shape.channels, shape.patch_size, shape.patch_size, bias=False),
        norm(f"{prefix}ln_pre", shape.width),
        *blocks(
            f"{prefix}transformer.layers",
            count=shape.layers if layers is None else layers,
            width=shape.width,
            heads=shape.heads,
            mlp_width=shape.mlp_width,
            names=PIXTRAL_NAMES,
            qkv_bias=False,
            out_bias=False,
            mlp_bias=False,
            gated=True,
            norm_bias=False,
        ),
        Tensor(
            name=f"{prefix}patch_positional_embedding.inv_freq", shape=(2, head_dim // 2), dtype="float32", buffer=True
        ),
    )


def moon_tower(
    config: ModelConfig, prefix: str, *, sharded: bool = True, quantizable: bool = True
) -> tuple[Module, ...]:
    """MoonViT: learned positions on a grid, rotary positions computed on the fly, a final norm. Raises ConfigError.

    Source: `moonvit.py`, `kimi_k25_vit.py`.
    """
    shape = vision_shape(config)
    rows = config.integer("init_pos_emb_height", "pos_emb_height", default=64)
    columns = config.integer("init_pos_emb_width", "pos_emb_width", default=64)
    return (
        convolution(f"{prefix}patch_embed.proj", shape.width, shape.channels, shape.patch_size, shape.patch_size),
        Tensor(name=f"{prefix}patch_embed.pos_emb", shape=(rows, columns, shape.width)),
        *blocks(
            f"{prefix}encoder.blocks",
            count=shape.layers,
            width=shape.width,
            heads=shape.heads,
            mlp_width=shape.mlp_width,
            names=BlockNames(qkv="wqkv", out="wo", up="mlp.fc0", down="mlp.fc1"),
            sharded=sharded,
            quantizable=quantizable,
        ),
        norm(f"{prefix}encoder.final_layernorm", shape.width, bias=True),
    )
