"""Vision towers that several multimodal families share: CLIP, SigLIP and what is modelled on them.

Shapes as vLLM 0.32.0 builds them in `clip.py`, `siglip.py`, `idefics2_vision_model.py`. Each builder gives the modules
below `prefix`; how many embeddings an image yields is the family's business.
"""

from __future__ import annotations

from vram.architecture.native_towers import pixtral_tower
from vram.architecture.parts import norm
from vram.architecture.towers import convolution, dense, position_ids
from vram.architecture.vision_shape import Shape, vision_shape
from vram.architecture.vit import CLIP_NAMES, blocks
from vram.models.config import ModelConfig
from vram.models.parameters import Module, Tensor


def clip_tower(
    config: ModelConfig, prefix: str, *, layers: int | None = None, post_norm: bool | None = None
) -> tuple[Module, ...]:
    """CLIP's ViT: class token, positions, pre-norm; the post-norm only where every layer is built. Raises ConfigError."""
    shape = vision_shape(config)
    built = shape.layers if layers is None else layers
    at = f"{prefix}vision_model."
    positions = shape.grid**2 + 1
    modules = [
        Tensor(name=f"{at}embeddings.class_embedding", shape=(shape.width,)),
        convolution(
            f"{at}embeddings.patch_embedding",
            shape.width,
            shape.channels,
            shape.patch_size,
            shape.patch_size,
            bias=False,
        ),
        Tensor(name=f"{at}embeddings.position_embedding", shape=(positions, shape.width)),
        position_ids(f"{at}embeddings.position_ids", positions),
        norm(f"{at}pre_layrnorm", shape.width, bias=True),
        *_clip_blocks(shape, f"{at}encoder.layers", built),
    ]
    if built == shape.layers if post_norm is None else post_norm:
        modules.append(norm(f"{at}post_layernorm", shape.width, bias=True))
    return tuple(modules)


def siglip_tower(
    config: ModelConfig, prefix: str, *, layers: int | None = None, post_norm: bool | None = None, head: bool = False
) -> tuple[Module, ...]:
    """SigLIP's ViT: positions without a class token; `head` is its attention pooling.

    Its MLP is quantized only where both widths are multiples of 64 (`SiglipMLP`). Raises ConfigError.
    """
    shape = vision_shape(config)
    built = shape.layers if layers is None else layers
    at = f"{prefix}vision_model."
    positions = shape.grid**2
    takes_scheme = not (shape.width % 64 or shape.mlp_width % 64)
    modules = [
        convolution(f"{at}embeddings.patch_embedding", shape.width, shape.channels, shape.patch_size, shape.patch_size),
        Tensor(name=f"{at}embeddings.position_embedding", shape=(positions, shape.width)),
        position_ids(f"{at}embeddings.position_ids", positions),
        *_clip_blocks(shape, f"{at}encoder.layers", built, mlp_quantizable=takes_scheme),
    ]
    if built == shape.layers if post_norm is None else post_norm:
        modules.append(norm(f"{at}post_layernorm", shape.width, bias=True))
    if head:
        modules += [
            Tensor(name=f"{at}head.probe", shape=(shape.width,)),
            convolution(f"{at}head.attention.in_proj", 3 * shape.width, shape.width),
            convolution(f"{at}head.attention.out_proj", shape.width, shape.width),
            norm(f"{at}head.layernorm", shape.width, bias=True),
            dense(f"{at}head.mlp.fc1", shape.width, shape.mlp_width, parallel="column", quantizable=takes_scheme),
            dense(f"{at}head.mlp.fc2", shape.mlp_width, shape.width, parallel="row", quantizable=takes_scheme),
        ]
    return tuple(modules)


def navit_tower(
    config: ModelConfig, prefix: str, *, layers: int | None = None, post_norm: bool = True, quantizable: bool = True
) -> tuple[Module, ...]:
    """Idefics2's ViT, SigLIP for images of any size: no position buffer. Raises ConfigError.

    Source: `idefics2_vision_model.py`; Idefics3, SmolVLM, Aria, MiniCPM-V and Phi-4-multimodal use it.
    """
    shape = vision_shape(config)
    modules = [
        convolution(
            f"{prefix}embeddings.patch_embedding", shape.width, shape.channels, shape.patch_size, shape.patch_size
        ),
        Tensor(name=f"{prefix}embeddings.position_embedding", shape=(shape.grid**2, shape.width)),
        *_clip_blocks(
            shape, f"{prefix}encoder.layers", shape.layers if layers is None else layers, quantizable=quantizable
        ),
    ]
    if post_norm:
        modules.append(norm(f"{prefix}post_layernorm", shape.width, bias=True))
    return tuple(modules)


def siglip2_tower(
    config: ModelConfig, prefix: str, *, layers: int | None = None, post_norm: bool | None = None
) -> tuple[Module, ...]:
    """SigLIP 2 for images of any size: torch's linear over patches, a table of `num_patches` positions. Raises ConfigError.

    Source: vLLM 0.33.0 `lfm2_siglip2.py:Siglip2VisionTransformer`; LFM2-VL and Cosmos 3 Edge use it.
    """
    shape = vision_shape(config)
    built = shape.layers if layers is None else layers
    positions = config.integer("num_patches", default=256)
    modules = [
        convolution(f"{prefix}embeddings.patch_embedding", shape.width, shape.channels * shape.patch_size**2),
        Tensor(name=f"{prefix}embeddings.position_embedding", shape=(positions, shape.width)),
        *_clip_blocks(shape, f"{prefix}encoder.layers", built),
    ]
    if built == shape.layers if post_norm is None else post_norm:
        modules.append(norm(f"{prefix}post_layernorm", shape.width, bias=True))
    return tuple(modules)


def _clip_blocks(
    shape: Shape, prefix: str, count: int, *, quantizable: bool = True, mlp_quantizable: bool = True
) -> tuple[Module, ...]:
    return blocks(
        prefix,
        count=count,
        width=shape.width,
        heads=shape.heads,
        mlp_width=shape.mlp_width,
        names=CLIP_NAMES,
        quantizable=quantizable,
        mlp_quantizable=mlp_quantizable,
    )


def shared_tower(
    config: ModelConfig, kind: str, prefix: str, *, layers: int | None = None, post_norm: bool | None = None
) -> tuple[Module, ...]:
    """The tower that a vision section's `model_type` names. Raises ConfigError on one that vLLM does not take either."""
    match kind:
        case "clip_vision_model":
            return clip_tower(config, prefix, layers=layers, post_norm=post_norm)
        case "siglip_vision_model":
            return siglip_tower(config, prefix, layers=layers, post_norm=post_norm)
        case "pixtral":
            return pixtral_tower(config, prefix, layers=layers)
        case _:
            raise config.error("model_type", f"is {kind!r}, which is no vision tower of this family")
