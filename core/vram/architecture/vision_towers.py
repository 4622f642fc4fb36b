"""Vision towers that several multimodal families share: CLIP, SigLIP, Pixtral, InternViT.

Shapes as vLLM 0.32.0 builds them in `clip.py`, `siglip.py`, `pixtral.py`, `intern_vit.py`. Each builder gives the modules
below `prefix`; how many embeddings an image yields is the family's business.
"""

from __future__ import annotations

from attrs import frozen

from vram.architecture.parts import norm
from vram.architecture.towers import convolution, dense, position_ids
from vram.architecture.vit import CLIP_NAMES, BlockNames, blocks
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


@frozen(kw_only=True)
class Shape:
    """The fields nearly every vision config has: pixels, patch edge, layers and widths."""

    width: int
    layers: int
    heads: int
    mlp_width: int
    image_size: int
    patch_size: int
    channels: int

    @property
    def grid(self) -> int:
        """Patches along one edge of the image."""
        return self.image_size // self.patch_size


def vision_shape(config: ModelConfig) -> Shape:
    """Read the standard vision fields (square where two edges are given). Raises ConfigError."""
    shape = Shape(
        width=config.integer("hidden_size", "embed_dim", "width"),
        layers=config.integer("num_hidden_layers", "depth", "layers"),
        heads=config.integer("num_attention_heads", "num_heads", "heads", "attention_heads"),
        mlp_width=config.integer("intermediate_size", default=1),
        image_size=edge(config, "image_size", default=224),
        patch_size=edge(config, "patch_size", default=14),
        channels=config.integer("num_channels", "in_channels", default=3),
    )
    if shape.width % shape.heads:
        raise config.error("num_attention_heads", f"is {shape.heads}, which does not divide hidden_size {shape.width}")
    return shape


def edge(config: ModelConfig, name: str, *, default: int) -> int:
    """A size given as one edge or as a list of equal ones. Raises ConfigError."""
    if isinstance(config.get(name), list | tuple):
        values = config.integers(name)
        if not values or values[0] < 1:
            raise config.error(name, "must be a positive size")
        return values[0]
    return config.integer(name, default=default)


def feature_layers(config: ModelConfig, layers: int, *, default: int = -2, name: str = "vision_feature_layer") -> int:
    """How many of a tower's layers vLLM builds: up to the deepest one whose features are used.

    Source: vLLM 0.32.0 `llava.py:_get_num_hidden_layers`. Raises ConfigError.
    """
    if isinstance(config.get(name), list | tuple):
        wanted = config.integers(name) or (default,)
    else:
        wanted = (config.integer(name, default=default, low=-layers),)
    built = max(layers + index + 1 if index < 0 else index for index in wanted)
    if not 0 <= built <= layers:
        raise config.error(name, f"asks for layer {built} of a tower of {layers}")
    return built


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
    modules = [
        convolution(f"{at}embeddings.patch_embedding", shape.width, shape.channels, shape.patch_size, shape.patch_size),
        Tensor(name=f"{at}embeddings.position_embedding", shape=(positions, shape.width)),
        position_ids(f"{at}embeddings.position_ids", positions),
        *_clip_blocks(
            shape, f"{at}encoder.layers", built, mlp_quantizable=not (shape.width % 64 or shape.mlp_width % 64)
        ),
    ]
    if built == shape.layers if post_norm is None else post_norm:
        modules.append(norm(f"{at}post_layernorm", shape.width, bias=True))
    if head:
        modules += [
            Tensor(name=f"{at}head.probe", shape=(shape.width,)),
            convolution(f"{at}head.attention.in_proj", 3 * shape.width, shape.width),
            convolution(f"{at}head.attention.out_proj", shape.width, shape.width),
            norm(f"{at}head.layernorm", shape.width, bias=True),
            dense(f"{at}head.mlp.fc1", shape.width, shape.mlp_width, parallel="column", quantizable=False),
            dense(f"{at}head.mlp.fc2", shape.mlp_width, shape.width, parallel="row", quantizable=False),
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


def intern_tower(config: ModelConfig, prefix: str, *, layers: int, sharded: bool = True) -> tuple[Module, ...]:
    """InternViT as InternVL's own repository writes it: class token, layer scales, no final norm. Raises ConfigError.

    Source: `intern_vit.py`; with heads that tensor parallelism does not divide, attention is held whole.
    """
    shape = vision_shape(config)
    return (
        Tensor(name=f"{prefix}embeddings.class_embedding", shape=(shape.width,)),
        convolution(f"{prefix}embeddings.patch_embedding", shape.width, 3, shape.patch_size, shape.patch_size),
        Tensor(name=f"{prefix}embeddings.position_embedding", shape=(shape.grid**2 + 1, shape.width)),
        *blocks(
            f"{prefix}encoder.layers",
            count=layers,
            width=shape.width,
            heads=shape.heads,
            mlp_width=shape.mlp_width,
            names=BlockNames(),
            qkv_bias=config.flag("qkv_bias", default=False),
            norm_bias=config.string("norm_type", default="rms_norm") == "layer_norm",
            qk_norm=2 * shape.width if config.flag("qk_normalization") else 0,
            scales=2,
            whole_attention=not sharded,
        ),
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
