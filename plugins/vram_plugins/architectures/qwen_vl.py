"""Qwen's vision-language models: Qwen2-VL, Qwen2.5-VL, Qwen3-VL and Qwen3.5, dense and mixture of experts.

Sources: vLLM 0.32.0 `qwen2_vl.py`, `qwen2_5_vl.py`, `qwen3_vl.py`, `qwen3_vl_moe.py`, `qwen3_5.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram import hookimpl
from vram.architecture import norm
from vram.architecture.towers import convolution, dense, multimodal
from vram.architecture.vit import GATED_NAMES, BlockNames, blocks
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Module, Tensor
from vram.models.spec import Encoder, ModelSpec
from vram.vllm.rope import Rope, rope_table
from vram_plugins.architectures.language import text_section, text_spec
from vram_plugins.architectures.vision import vision_section

#: positions of the towers' rotary table
_TOWER_POSITIONS = 8192
#: pixels of the largest image and of the largest video in the published preprocessor_config.json of Qwen2-VL/2.5-VL
#: (max_pixels) and of Qwen3-VL (size.longest_edge; a video's counts two frames once)
QWEN2_PIXELS = 12845056
QWEN3_PIXELS = 16777216
_QWEN2_FRAMES = 14  # `qwen2_vl.py:_MAX_FRAMES_PER_VIDEO`

_RENAMES_QWEN2 = (
    ("model.language_model.", "language_model.model."),
    ("model.visual.", "visual."),
    ("lm_head.", "language_model.lm_head."),
    ("model.", "language_model.model."),
)
_RENAMES_QWEN3 = (
    ("model.visual.", "visual."),
    ("lm_head.", "language_model.lm_head."),
    ("model.language_model.", "language_model.model."),
)


def tower_rope(head_dim: int) -> Tensor:
    """The towers' rotary table: 8192 positions × half a head."""
    rope = Rope(kind="default", factor=1.0, original_max_position=None, partial=0.5, mrope=False)
    return rope_table(rope, head_dim=head_dim, max_position=_TOWER_POSITIONS)


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
    """Qwen2.5-VL's ViT: gated MLP with biases, RMSNorm. Raises ConfigError."""
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


def largest_image(vision: ModelConfig, pixels: int, *, width: int, mlp_width: int, out: int, gated: bool) -> Encoder:
    """The largest image: as many merged patches as `pixels` hold (`get_image_size_with_most_features`)."""
    patch, merge = vision.integer("patch_size"), vision.integer("spatial_merge_size")
    tokens = max(pixels // (patch * merge) ** 2, 1)
    patches = tokens * merge * merge
    return Encoder(
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


def _video(image: Encoder, frames: int) -> Encoder:
    """A video of `frames` times the largest image's patches."""
    return Encoder(
        modality="video",
        max_item_tokens=image.max_item_tokens * frames,
        patches=image.patches * frames,
        width=image.width,
        mlp_width=image.mlp_width,
        heads=image.heads,
        input_elements=image.input_elements * frames,
        output_width=image.output_width,
        gated=image.gated,
    )


class Qwen2VL(ArchitectureAdapter):
    """Qwen2-VL and Qwen2.5-VL: a ViT and Qwen2 with multimodal rotary positions."""

    def __init__(self, architecture: str, vision_type: str) -> None:
        self.name = architecture
        self.architectures = (architecture,)
        self.vision_type = vision_type

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        section = text_section(config, model_type=f"{self.vision_type}_text", tied=False, text_ties=True)
        text = text_spec(section, config, context, architecture="Qwen2ForCausalLM")
        vision = vision_section(config, self.vision_type)
        gated = self.vision_type == "qwen2_5_vl"
        tower = qwen2_5_tower if gated else qwen2_tower
        width = vision.integer("hidden_size" if gated else "embed_dim")
        mlp = vision.integer("intermediate_size") if gated else int(width * vision.number("mlp_ratio"))
        out = vision.integer("out_hidden_size" if gated else "hidden_size")
        image = largest_image(vision, QWEN2_PIXELS, width=width, mlp_width=mlp, out=out, gated=gated)
        length = context.max_model_len or text.max_model_len
        pairs = max(1, min(length // image.max_item_tokens, _QWEN2_FRAMES // 2))
        return multimodal(
            text,
            config,
            modules=tower(vision, "visual."),
            encoders=(image, _video(image, pairs)),
            renames=_RENAMES_QWEN2,
            modalities=("image", "video"),
            data_parallel=True,
        )


class Qwen3VL(ArchitectureAdapter):
    """Qwen3-VL and Qwen3.5: the deepstack ViT beside Qwen3, Qwen3-MoE or their hybrid successors."""

    def __init__(self, architecture: str, text_architecture: str, model_type: str) -> None:
        self.name = architecture
        self.architectures = (architecture,)
        self.text_architecture = text_architecture
        self.model_type = model_type

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        section = short_positions(text_section(config, model_type=self.model_type, tied=False), context)
        text = text_spec(section, config, context, architecture=self.text_architecture)
        vision = vision_section(config, "qwen3_vl" if "3_5" not in self.model_type else "qwen3_5")
        out = vision.integer("out_hidden_size") * (1 + len(vision.integers("deepstack_visual_indexes")))
        image = largest_image(
            vision,
            QWEN3_PIXELS,
            width=vision.integer("hidden_size"),
            mlp_width=vision.integer("intermediate_size"),
            out=out,
            gated=False,
        )
        return multimodal(
            text,
            config,
            modules=qwen3_tower(vision, "visual."),
            encoders=(image,),
            renames=_RENAMES_QWEN3,
            modalities=("image", "video"),
            data_parallel=True,
        )


def short_positions(section: ModelConfig, context: BuildContext) -> ModelConfig:
    """The same text section with a rotary table of one position per token.

    Qwen3-VL and later have it since 0.32 (`qwen3_vl.py:mrope_positions_factor`) unless videos are pruned; Qwen2-VL and
    older versions have four.
    """
    if context.vllm_version < (0, 32, 0):
        return section
    raw = dict(section.raw)
    for name in ("rope_parameters", "rope_scaling"):
        block = section.sub(name)
        if block is not None and block.has("mrope_section"):
            raw[name] = {**block.raw, "mrope_positions_factor": 1}
    return ModelConfig(raw=raw, path=section.path, section=section.section)


@hookimpl
def vram_architecture_adapters() -> Iterable[ArchitectureAdapter]:
    """Qwen2-VL, Qwen2.5-VL, Qwen3-VL (dense, MoE), Qwen3.5/3.6 (dense, MoE)."""
    return [
        Qwen2VL("Qwen2VLForConditionalGeneration", "qwen2_vl"),
        Qwen2VL("Qwen2_5_VLForConditionalGeneration", "qwen2_5_vl"),
        Qwen3VL("Qwen3VLForConditionalGeneration", "Qwen3ForCausalLM", "qwen3_vl_text"),
        Qwen3VL("Qwen3VLMoeForConditionalGeneration", "Qwen3MoeForCausalLM", "qwen3_vl_moe_text"),
        Qwen3VL("Qwen3_5ForConditionalGeneration", "Qwen3_5ForCausalLM", "qwen3_5_text"),
        Qwen3VL("Qwen3_5MoeForConditionalGeneration", "Qwen3_5MoeForCausalLM", "qwen3_5_moe_text"),
    ]
