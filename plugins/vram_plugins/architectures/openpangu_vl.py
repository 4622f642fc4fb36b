"""openPangu-VL: a Qwen2.5-VL-like ViT whose outputs of several layers are merged and added, and openPangu.

Source: vLLM 0.33.0 `openpangu_vl.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import norm
from vram.architecture.reading import needed_section
from vram.architecture.towers import convolution, dense, multimodal
from vram.architecture.vit import GATED_NAMES, BlockNames, blocks
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Module, ceil_div
from vram.models.spec import ModelSpec
from vram_plugins.architectures.language import text_spec
from vram_plugins.architectures.qwen_towers import qwen2_5_image
from vram_plugins.architectures.qwen_vl import QWEN2_RENAMES

#: fields of the vision section that vLLM reads without a default
_FIELDS = ("depth", "hidden_size", "intermediate_size", "num_heads", "patch_size", "temporal_patch_size")
_LAYERS_TAKEN = (-1, -3)
_PLAIN_NAMES = BlockNames(qkv_parts=("attn.q", "attn.k", "attn.v"), up="mlp.up_proj", down="mlp.down_proj")
_GATED_NAMES = BlockNames(
    qkv_parts=_PLAIN_NAMES.qkv_parts,
    up=GATED_NAMES.up,
    up_parts=GATED_NAMES.up_parts,
    down=GATED_NAMES.down,
)


class OpenPanguVL(ArchitectureAdapter):
    """The language model's fields are the outer config's (`openpangu.py` asks `hf_config`)."""

    name = "OpenPanguVLForConditionalGeneration"
    architectures = ("OpenPanguVLForConditionalGeneration",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        vision = needed_section(config, "vision_config")
        text = text_spec(config, config, context, architecture="PanguEmbeddedForCausalLM")
        out = vision.integer("out_hidden_size")
        image = qwen2_5_image(vision, context.items)
        modules = (
            *_tower(vision, context, out),
            convolution("visual.vision_projection.fc1", text.hidden_size, out),
        )
        return multimodal(
            text,
            config,
            modules=modules,
            encoders=(image,),
            renames=QWEN2_RENAMES,
            modalities=("image", "video"),
        )


def _tower(vision: ModelConfig, context: BuildContext, out: int) -> tuple[Module, ...]:
    """The ViT; GPTQ leaves it out, and a gated width is padded to a multiple of the ranks."""
    depth, width, mlp, heads, patch, frames = (vision.integer(name) for name in _FIELDS)
    gated = vision.string("hidden_act", default="silu") == "silu"
    tp = context.tensor_parallel_size
    takes_scheme = not (context.quantization or "").startswith(("gptq", "auto_gptq"))
    merged = width * vision.integer("spatial_merge_size") ** 2
    taken = len(vision.integers("mm_unit_vision_select_layer") or _LAYERS_TAKEN)
    at = "visual."
    return (
        convolution(f"{at}patch_embed.proj", width, vision.integer("in_channels"), frames, patch, patch, bias=False),
        *blocks(
            f"{at}blocks",
            count=depth,
            width=width,
            heads=heads,
            mlp_width=ceil_div(mlp, tp) * tp if gated else mlp,
            names=_GATED_NAMES if gated else _PLAIN_NAMES,
            gated=gated,
            norm_bias=False,
            quantizable=takes_scheme,
        ),
        norm(f"{at}final_layernorm", width),
        norm(f"{at}merger.0.ln_q", width, count=taken),
        dense(f"{at}merger.0.mlp.0", merged, merged, parallel="column", count=taken, quantizable=takes_scheme),
        dense(f"{at}merger.0.mlp.2", merged, out, parallel="row", count=taken, quantizable=takes_scheme),
    )


def adapters() -> Iterable[ArchitectureAdapter]:
    """openPangu-VL."""
    return [OpenPanguVL()]
