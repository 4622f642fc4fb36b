"""Moondream 3: a ViT over crops, a decoder whose attention is scaled by learned vectors, experts shared out over ranks.

Sources: vLLM 0.33.0 `moondream3.py`, `transformers_utils/configs/moondream3.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import Dimensions, decoder, gqa, layer, norm, norms, runs_by_kind
from vram.architecture.mlp import plain_mlp
from vram.architecture.parts import Part
from vram.architecture.reading import optional_section
from vram.architecture.towers import convolution, dense, multimodal
from vram.architecture.vision_shape import vision_shape
from vram.architecture.vit import BlockNames, blocks
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Module, Tensor
from vram.models.spec import Layer, ModelSpec
from vram.vllm.rope import Rope, rope_table
from vram_plugins.architectures.vision import image_encoder

_ROTATED = 32  # of a head, whatever its width
_NAMES = BlockNames(qkv="attn.qkv_proj", qkv_parts=("attn.qkv",), out="attn.out_proj")


class Moondream3(ArchitectureAdapter):
    """Sections are called `text` and `vision` inside a field `config`."""

    name = "Moondream3ForCausalLM"
    architectures = ("Moondream3ForCausalLM", "HfMoondream")

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        inner = optional_section(config, "config")
        given = optional_section(inner, "text")
        text = _language(given, config, context)
        seen = optional_section(inner, "vision")
        crops = seen.integer("max_crops", default=12) + 1
        vision = ModelConfig(
            raw={
                "hidden_size": seen.integer("enc_dim", default=1152),
                "intermediate_size": seen.integer("enc_ff_dim", default=4304),
                "num_hidden_layers": seen.integer("enc_n_layers", default=27),
                "num_attention_heads": seen.integer("enc_n_heads", default=16),
                "patch_size": seen.integer("enc_patch_size", default=14),
                "image_size": seen.integer("crop_size", default=378),
            },
            path=config.path,
            section=seen.section,
        )
        shape = vision_shape(vision)
        width, between = shape.width, seen.integer("proj_inner_dim", default=8192)
        modules = (
            convolution("vision.patch_emb", width, 3 * shape.patch_size**2),
            Tensor(name="vision.pos_emb", shape=(shape.grid**2, width)),
            *blocks(
                "vision.blocks",
                count=shape.layers,
                width=width,
                heads=shape.heads,
                mlp_width=shape.mlp_width,
                names=_NAMES,
            ),
            norm("vision.post_ln", width, bias=True),
            dense("vision_proj.fc1", 2 * width, between, parallel="column"),
            dense("vision_proj.fc2", between, text.hidden_size, parallel="row"),
        )
        image = image_encoder(shape, tokens=shape.grid**2, patches=shape.grid**2, images=crops)
        return multimodal(text, config, modules=modules, encoders=(image,), prefix="")


def _language(given: ModelConfig, outer: ModelConfig, context: BuildContext) -> ModelSpec:
    """The decoder; its config in Hugging Face's names as `Moondream3TextConfig` derives them."""
    width, heads = given.integer("dim", default=2048), given.integer("n_heads", default=32)
    if width % heads:
        raise given.error("n_heads", f"is {heads}, which does not divide dim {width}")
    dims = Dimensions(
        hidden_size=width,
        num_hidden_layers=given.integer("n_layers", default=24),
        num_attention_heads=heads,
        num_key_value_heads=given.integer("n_kv_heads", default=32),
        head_dim=width // heads,
        intermediate_size=given.integer("ff_dim", default=8192),
        vocab_size=given.integer("vocab_size", default=51200),
        max_position=given.integer("max_context", default=4096),
        tie_word_embeddings=False,
    )
    section = ModelConfig(raw={"max_position_embeddings": dims.max_position}, path=given.path, section=given.section)
    experts = optional_section(given, "moe")
    first = experts.integer("start_layer", default=4, low=0)
    rope = Rope(kind="default", factor=1.0, original_max_position=None, partial=1.0, mrope=False, dim=_ROTATED)
    return decoder(
        section,
        dims,
        runs=runs_by_kind(
            [index >= first for index in range(dims.num_hidden_layers)],
            lambda sparse: _layer(dims, experts if sparse else None),
            prefix="text.blocks",
        ),
        context=context,
        rope=(rope_table(rope, head_dim=dims.head_dim, max_position=dims.max_position),),
        norm_bias=True,
        lm_head_bias=True,
        prefix="text",
        dtype_config=outer,
        embed_stage="every",
        norm_stage="every",
        head_stage="every",
    )


def _layer(dims: Dimensions, experts: ModelConfig | None) -> Layer:
    """Attention and feed-forward side by side after one norm."""
    heads, width = dims.num_attention_heads, dims.hidden_size
    attention = gqa(
        hidden_size=width,
        num_heads=heads,
        num_kv_heads=dims.num_key_value_heads,
        head_dim=dims.head_dim,
        qkv_bias=True,
        out_bias=True,
        name="attn",
        out_name="out_proj",
    )
    tau = Tensor(name="attn.tau", shape=(heads, 1 + 6 * width), sharded_units=heads)
    mlp = (
        plain_mlp(hidden_size=width, intermediate_size=dims.intermediate_size)
        if experts is None
        else _experts(dims, experts)
    )
    return layer(attention, mlp, norms(width, "ln", bias=True), (tau,))


def _experts(dims: Dimensions, config: ModelConfig) -> Part:
    """Whole experts on each rank, which no quantization reaches, and what vLLM's kernel wants beside them."""
    count, width = config.integer("n_experts", default=64), dims.hidden_size
    inner = config.integer("expert_inner_dim", default=1024)
    modules: tuple[Module, ...] = (
        dense("mlp.gate", width, count, quantizable=False),
        Tensor(name="mlp.experts", shape=(count, 3, inner, width), sharded_units=count),
        Tensor(name="mlp.fused_w1_bias", shape=(count, 2 * inner), sharded_units=count, dtype="float32", buffer=True),
        Tensor(name="mlp.expert_map", shape=(count,), dtype="int32", buffer=True),
    )
    return Part(modules=modules)


def adapters() -> Iterable[ArchitectureAdapter]:
    """Moondream 3."""
    return [Moondream3()]
