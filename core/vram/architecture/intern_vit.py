"""InternViT, in InternVL's own and in Hugging Face form.

Shapes as vLLM 0.32.0 builds them in `intern_vit.py`, `interns1_vit.py`.
"""

from __future__ import annotations

from vram.architecture.parts import norm
from vram.architecture.towers import convolution
from vram.architecture.vision_shape import vision_shape
from vram.architecture.vit import BlockNames, blocks
from vram.models.config import ModelConfig
from vram.models.parameters import Linear, Module, Tensor
from vram.models.record import evolve


def intern_tower(
    config: ModelConfig,
    prefix: str,
    *,
    layers: int,
    sharded: bool = True,
    dummy_heads: int = 0,
    quantizable: bool = True,
) -> tuple[Module, ...]:
    """InternViT as InternVL's own repository writes it: class token, layer scales, no final norm. Raises ConfigError.

    Source: `intern_vit.py`; with heads that tensor parallelism does not divide (not `sharded`), attention is held whole,
    quantized or not. NVLM pads it with `dummy_heads`.
    """
    shape = vision_shape(config)
    head_dim = shape.width // shape.heads
    return (
        Tensor(name=f"{prefix}embeddings.class_embedding", shape=(shape.width,)),
        convolution(f"{prefix}embeddings.patch_embedding", shape.width, 3, shape.patch_size, shape.patch_size),
        Tensor(name=f"{prefix}embeddings.position_embedding", shape=(shape.grid**2 + 1, shape.width)),
        *(
            _held(module, whole=not sharded)
            for module in blocks(
                f"{prefix}encoder.layers",
                count=layers,
                width=shape.width,
                heads=shape.heads + dummy_heads,
                head_dim=head_dim,
                mlp_width=shape.mlp_width,
                names=BlockNames(),
                qkv_bias=config.flag("qkv_bias", default=False),
                norm_bias=config.string("norm_type", default="rms_norm") == "layer_norm",
                qk_norm=2 * (shape.heads + dummy_heads) * head_dim if config.flag("qk_normalization") else 0,
                scales=2,
                quantizable=quantizable,
            )
        ),
    )


def _held(module: Module, *, whole: bool) -> Module:
    return (
        evolve(module, parallel="replicated")
        if whole and isinstance(module, Linear) and ".attn." in module.name
        else module
    )


def intern_hf_tower(config: ModelConfig, prefix: str, *, layers: int) -> tuple[Module, ...]:
    """InternViT in Hugging Face form, its attention in torch's own linears on every rank. Raises ConfigError.

    Source: `interns1_vit.py`.
    """
    shape = vision_shape(config)
    modules = [
        Tensor(name=f"{prefix}embeddings.cls_token", shape=(shape.width,)),
        convolution(f"{prefix}embeddings.patch_embeddings", shape.width, 3, shape.patch_size, shape.patch_size),
        *blocks(
            f"{prefix}encoder.layer",
            count=layers,
            width=shape.width,
            heads=shape.heads,
            mlp_width=shape.mlp_width,
            names=BlockNames(qkv="attention.qkv_proj", out="attention.projection_layer"),
            qkv_bias=config.flag("attention_bias"),
            norm_bias=config.string("norm_type", default="layer_norm") == "layer_norm",
            qk_norm=2 * shape.width if config.flag("use_qk_norm") else 0,
            scales=2,
            whole_attention=True,
            mlp_quantizable=False,
        ),
    ]
    if config.flag("use_mask_token"):
        modules.append(Tensor(name=f"{prefix}embeddings.mask_token", shape=(shape.width,)))
    if config.flag("use_absolute_position_embeddings", default=True):
        modules.append(Tensor(name=f"{prefix}embeddings.position_embeddings", shape=(shape.grid**2 + 1, shape.width)))
    if not config.flag("use_mean_pooling", default=True):
        modules.append(norm(f"{prefix}layernorm", shape.width, bias=True))
    return tuple(modules)
