"""The vision towers of Qwen2-VL, Qwen2.5-VL and Qwen3-VL. Registers no adapter.

Sources: vLLM 0.32.0 `qwen2_vl.py`, `qwen2_5_vl.py`, `qwen3_vl.py`.
"""

from __future__ import annotations

from vram.architecture import norm
from vram.architecture.items import Items, most_pixels, setting, shown
from vram.architecture.latent import DEFAULT_TOKEN_BUDGET
from vram.architecture.registered import TOWER_TABLE
from vram.architecture.towers import convolution, dense
from vram.architecture.vit import GATED_NAMES, BlockNames, blocks
from vram.models.config import ModelConfig
from vram.models.parameters import Module, Tensor
from vram.models.record import evolve
from vram.models.spec import Encoder
from vram.vllm.rope import Rope, rope_table

#: positions of the towers' rotary table
_TOWER_POSITIONS = 8192

#: pixels of the largest image and of the largest video in the published preprocessor_config.json of Qwen2-VL/2.5-VL
#: (max_pixels) and of Qwen3-VL (size.longest_edge; a video's counts two frames once)
QWEN2_PIXELS = 12845056
_QWEN3_PIXELS = 16777216

#: pixels that smaller images are enlarged to (`min_pixels` of the published processors)
_LEAST_PIXELS = 56 * 56


def tower_rope(head_dim: int) -> Tensor:
    """The towers' rotary table: 8192 positions × half a head (since 0.12: `registered_by`)."""
    rope = Rope(kind="default", factor=1.0, original_max_position=None, partial=0.5, mrope=False)
    return evolve(rope_table(rope, head_dim=head_dim, max_position=_TOWER_POSITIONS), name=TOWER_TABLE)


def qwen2_tower(vision: ModelConfig, prefix: str) -> tuple[Module, ...]:
    """Qwen2-VL's ViT: plain MLP, LayerNorm, patches of two frames, merger of 2×2 patches. Raises ConfigError."""
    width, heads = vision.integer("embed_dim"), vision.integer("num_heads")
    merged = width * vision.integer("spatial_merge_size") ** 2
    mlp = int(width * vision.number("mlp_ratio"))
    patch = vision.integer("patch_size")
    frames = vision.integer("temporal_patch_size")
    return (
        convolution(
            f"{prefix}patch_embed.proj", width, vision.integer("in_channels"), frames, patch, patch, bias=False
        ),
        *blocks(
            f"{prefix}blocks",
            count=vision.integer("depth"),
            width=width,
            heads=heads,
            mlp_width=mlp,
            names=BlockNames(),
        ),
        norm(f"{prefix}merger.ln_q", width, bias=True),
        dense(f"{prefix}merger.mlp.0", merged, merged, parallel="column"),
        dense(f"{prefix}merger.mlp.2", merged, vision.integer("hidden_size"), parallel="row"),
        tower_rope(width // heads),
    )


def qwen2_5_tower(vision: ModelConfig, prefix: str) -> tuple[Module, ...]:
    """Qwen2.5-VL's ViT: gated MLP with biases, RMSNorm; EXAONE 4.5 groups its heads. Raises ConfigError."""
    width, heads = vision.integer("hidden_size"), vision.integer("num_heads")
    merged = width * vision.integer("spatial_merge_size") ** 2
    patch = vision.integer("patch_size")
    frames = vision.integer("temporal_patch_size")
    return (
        convolution(
            f"{prefix}patch_embed.proj",
            width,
            vision.integer("in_channels", "in_chans"),
            frames,
            patch,
            patch,
            bias=False,
        ),
        *blocks(
            f"{prefix}blocks",
            count=vision.integer("depth"),
            width=width,
            heads=heads,
            kv_heads=vision.integer("num_key_value_heads", default=heads),
            mlp_width=vision.integer("intermediate_size"),
            names=GATED_NAMES,
            gated=True,
            norm_bias=False,
        ),
        norm(f"{prefix}merger.ln_q", width),
        dense(f"{prefix}merger.mlp.0", merged, merged, parallel="column"),
        dense(f"{prefix}merger.mlp.2", merged, vision.integer("out_hidden_size"), parallel="row"),
        tower_rope(width // heads),
    )


def qwen3_tower(vision: ModelConfig, prefix: str) -> tuple[Module, ...]:
    """Qwen3-VL's ViT: learned positions beside rotary ones, and a merger per deepstack level. Raises ConfigError."""
    width, heads = vision.integer("hidden_size"), vision.integer("num_heads")
    merged = width * vision.integer("spatial_merge_size") ** 2
    out = vision.integer("out_hidden_size")
    patch = vision.integer("patch_size")
    levels = len(vision.integers("deepstack_visual_indexes"))
    modules: list[Module] = [
        convolution(
            f"{prefix}patch_embed.proj",
            width,
            vision.integer("in_channels"),
            vision.integer("temporal_patch_size"),
            patch,
            patch,
        ),
        Tensor(name=f"{prefix}pos_embed", shape=(vision.integer("num_position_embeddings"), width)),
        *blocks(
            f"{prefix}blocks",
            count=vision.integer("depth"),
            width=width,
            heads=heads,
            mlp_width=vision.integer("intermediate_size"),
            names=BlockNames(up="mlp.linear_fc1", down="mlp.linear_fc2"),
        ),
        norm(f"{prefix}merger.norm", width, bias=True),
        dense(f"{prefix}merger.linear_fc1", merged, merged, parallel="column"),
        dense(f"{prefix}merger.linear_fc2", merged, out, parallel="row"),
        tower_rope(width // heads),
    ]
    if levels:
        at = f"{prefix}deepstack_merger_list.0."
        modules += [
            norm(f"{at}norm", merged, bias=True, count=levels),
            dense(f"{at}linear_fc1", merged, merged, parallel="column", count=levels),
            dense(f"{at}linear_fc2", merged, out, parallel="row", count=levels),
        ]
    return tuple(modules)


def deepstack_buffers(vision: ModelConfig, width: int, max_num_batched_tokens: int | None) -> tuple[Module, ...]:
    """What the ViT's levels add to the decoder's first layers: (max_num_batched_tokens, `width`) each, no registered tensor.

    Source: vLLM 0.33.0 `qwen3_vl.py:Qwen3VLForConditionalGeneration` (`deepstack_input_embeds`; the same in 0.16.0).
    """
    levels = len(vision.integers("deepstack_visual_indexes"))
    if not levels:
        return ()
    rows = max_num_batched_tokens or DEFAULT_TOKEN_BUDGET
    return (Tensor(name="deepstack_input_embeds", shape=(rows, width), count=levels, buffer=True, presence="loaded"),)


def largest_image(
    vision: ModelConfig, pixels: int, *, width: int, mlp_width: int, out: int, gated: bool, items: Items = ()
) -> Encoder:
    """The largest image: as many merged patches as `pixels` or what the user says hold (`get_image_size_with_most_features`)."""
    patch, merge = vision.integer("patch_size"), vision.integer("spatial_merge_size")
    pixels = most_pixels(items, pixels)
    least = min(setting(items, "min_pixels", "size.shortest_edge", default=_LEAST_PIXELS), pixels)
    tokens = max(pixels // (patch * merge) ** 2, 1)
    patches = tokens * merge * merge
    largest = Encoder(
        modality="image",
        max_item_tokens=tokens,
        patches=patches,
        width=width,
        mlp_width=mlp_width,
        heads=vision.integer("num_heads"),
        input_elements=patches * 3 * vision.integer("temporal_patch_size") * patch * patch,
        output_width=out,
        gated=gated,
    )
    return shown(largest, items, unit=patch * merge, least=least, most=pixels)


def qwen2_5_image(vision: ModelConfig, items: Items = ()) -> Encoder:
    """The largest image before a tower like Qwen2.5-VL's. Raises ConfigError."""
    return largest_image(
        vision,
        QWEN2_PIXELS,
        items=items,
        width=vision.integer("hidden_size"),
        mlp_width=vision.integer("intermediate_size"),
        out=vision.integer("out_hidden_size"),
        gated=True,
    )


def qwen3_image(vision: ModelConfig, items: Items = (), *, out: int | None = None) -> Encoder:
    """The largest image before a tower like Qwen3-VL's.

    An embedding is `out` wide, else has those of every deepstack level side by side. Raises ConfigError.
    """
    levels = 1 + len(vision.integers("deepstack_visual_indexes"))
    return largest_image(
        vision,
        _QWEN3_PIXELS,
        items=items,
        width=vision.integer("hidden_size"),
        mlp_width=vision.integer("intermediate_size"),
        out=vision.integer("out_hidden_size") * levels if out is None else out,
        gated=False,
    )
