"""Nemotron Parse: RADIO with a neck that joins four patches of a row, and an MBart decoder without positions.

Sources: vLLM 0.33.0 `nemotron_parse.py` (whose decoder attends to the image) and `nemotron_parse3_5.py` (whose prompt has it).
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import Dimensions, Part, decoder, gqa, layer, norm, norms, plain_mlp, runs_by_kind
from vram.architecture.reading import needed_section
from vram.architecture.towers import convolution, dense, with_tower
from vram.architecture.vision_shape import Shape
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Module
from vram.models.record import evolve
from vram.models.spec import ModelSpec
from vram_plugins.architectures.nemotron_vl import RADIO_SIZES, radio
from vram_plugins.architectures.vision import image_encoder
from vram_plugins.architectures.whisper import cross_attention

_JOINED = 4
_PATCH = 16
_NECK, _SUMMARY = 1280, 3840


class NemotronParse(ArchitectureAdapter):
    """Parse attends to the image and takes `encoder_ffn_dim`; 3.5 has no such attention and takes `decoder_ffn_dim`."""

    name = "NemotronParseForConditionalGeneration"
    architectures = ("NemotronParseForConditionalGeneration", "RadioMBartPrefixForCausalLM")

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        attends = config.architecture == self.name
        spec = _decoder(needed_section(config, "decoder"), config, context, attends=attends)
        vision = needed_section(config, "encoder")
        args = vision.sub("args") or vision
        size = RADIO_SIZES.get(args.string("model"))
        if size is None:
            raise args.error("model", f"is {args.string('model')[:40]!r}, which is no size of RADIO's")
        edges = config.integers("image_size")
        if len(edges) != 2:
            raise config.error("image_size", "must be a height and a width")
        width, layers, heads, mlp_width = size
        patch = vision.integer("patch_size", default=_PATCH)
        shape = Shape(
            width=width,
            layers=layers,
            heads=heads,
            mlp_width=mlp_width,
            image_size=max(edges),
            patch_size=patch,
            channels=3,
        )
        rows, columns = edges[0] // patch, edges[1] // patch
        image = image_encoder(shape, tokens=rows * (columns // _JOINED) + 1, patches=rows * columns)
        tower = radio(args, vision, shape, context.tensor_parallel_size, prefix="encoder.model_encoder.")
        neck = _neck(config, spec.hidden_size, fixed=attends)
        outer = with_tower(spec, (*tower, *neck), modalities=("image",), encoders=(image,))
        return evolve(outer, hints=outer.hints | {"encoder_decoder"}) if attends else outer


def _neck(config: ModelConfig, width: int, *, fixed: bool) -> tuple[Module, ...]:
    """Convolutions over patches and a linear over the summary; Parse's sizes are fixed in vLLM's class."""
    seen = _NECK if fixed else config.integer("vision_spatial_dim", default=_NECK)
    summary = _SUMMARY if fixed else config.integer("vision_summary_dim", default=_SUMMARY)
    out = 1024 if fixed else width
    return (
        convolution("encoder.conv1", out, seen),
        convolution("encoder.conv2", out, out, 1, _JOINED, bias=False),
        dense("encoder.sum_proj", summary, out, parallel="column"),
        norm("encoder.layer_norms", 3 * out, bias=True),
    )


def _decoder(section: ModelConfig, outer: ModelConfig, context: BuildContext, *, attends: bool) -> ModelSpec:
    width, heads = section.integer("d_model", default=1024), section.integer("decoder_attention_heads", default=16)
    if width % heads:
        raise section.error("decoder_attention_heads", f"is {heads}, which does not divide d_model {width}")
    dims = Dimensions(
        hidden_size=width,
        num_hidden_layers=section.integer("decoder_layers", default=12),
        num_attention_heads=heads,
        num_key_value_heads=heads if attends else section.integer("self_attention_kv_heads", default=heads),
        head_dim=width // heads,
        intermediate_size=section.integer("encoder_ffn_dim" if attends else "decoder_ffn_dim", default=4096),
        vocab_size=section.integer("vocab_size", default=50265),
        max_position=section.integer("max_position_embeddings", default=1024),
        tie_word_embeddings=outer.flag("tie_word_embeddings") or section.flag("tie_word_embeddings"),
    )
    attention = gqa(
        hidden_size=width,
        num_heads=heads,
        num_kv_heads=dims.num_key_value_heads,
        head_dim=dims.head_dim,
        qkv_bias=True,
        out_bias=True,
        out_name="out_proj",
    )
    names = ("self_attn_layer_norm", *(("encoder_attn_layer_norm",) if attends else ()), "final_layer_norm")
    block = layer(
        attention,
        cross_attention(width, heads) if attends else Part(),
        plain_mlp(hidden_size=width, intermediate_size=dims.intermediate_size, name=""),
        norms(width, *names, bias=True),
    )
    return decoder(
        section,
        dims,
        runs=runs_by_kind(["layer"] * dims.num_hidden_layers, lambda _: block, prefix="decoder.layers"),
        context=context,
        rope="none",
        norm_bias=True,
        prefix="decoder",
        max_position_default=1024,
        extra=(("every", norm("decoder.layernorm_embedding", width, bias=True)),),
        dtype_config=outer,
        embed_stage="every",
        norm_stage="every",
        head_stage="every",
    )


def adapters() -> Iterable[ArchitectureAdapter]:
    """Nemotron Parse."""
    return [NemotronParse()]
