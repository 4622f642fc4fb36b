"""Llama 4: chunked local attention with full layers between, mixture of experts, and its vision tower.

Sources: vLLM 0.32.0 `llama4.py`, `mllama4.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import Dimensions, decoder, dimensions, gated_mlp, gqa, layer, moe, norm, norms, runs_by_kind
from vram.architecture.towers import dense, multimodal
from vram.architecture.vision_shape import Shape, vision_shape
from vram.architecture.vit import BlockNames, blocks
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Module, Tensor
from vram.models.record import frozen
from vram.models.spec import Layer, ModelSpec
from vram_plugins.architectures.language import text_section, text_spec
from vram_plugins.architectures.vision import image_encoder, vision_section

_CHUNK = 8192  # attention_chunk_size where the config is silent
_NOPE_INTERVAL = 4  # every fourth layer has no rotary positions and sees everything
_TILES = 16  # max_patches of the published image processors


@frozen(kw_only=True)
class Kind:
    """What distinguishes one decoder layer from another."""

    full: bool
    experts: bool


class Llama4Text(ArchitectureAdapter):
    """The language model alone."""

    name = "Llama4ForCausalLM"
    architectures = ("Llama4ForCausalLM",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        dims = dimensions(config, head_dim_default=128, max_position_default=131072)
        kinds = _kinds(config, dims.num_hidden_layers)
        runs = runs_by_kind(kinds, lambda kind: _layer(config, dims, kind))
        return decoder(config, dims, runs=runs, context=context, max_position_default=131072)


def _kinds(config: ModelConfig, layers: int) -> list[Kind]:
    """Full attention where `no_rope_layers` holds a 0, else every fourth layer; experts every so many layers."""
    flags = config.integers("no_rope_layers") if config.items("no_rope_layers") else ()
    interval = config.integer("no_rope_layer_interval", "nope_layer_interval", default=_NOPE_INTERVAL)
    rope = flags or tuple(int((index + 1) % interval != 0) for index in range(layers))
    if len(rope) < layers:
        raise config.error("no_rope_layers", f"has {len(rope)} entries for {layers} layers")
    step = config.integer("interleave_moe_layer_step", default=1, low=0)
    return [Kind(full=rope[index] == 0, experts=step > 0 and (index + 1) % step == 0) for index in range(layers)]


def _layer(config: ModelConfig, dims: Dimensions, kind: Kind) -> Layer:
    chunk = config.integer("attention_chunk_size", default=_CHUNK, low=0)
    if config.get("attention_chunk_size") is None and "attention_chunk_size" in config.raw:
        chunk = 0
    local = bool(chunk) and not kind.full
    name = "feed_forward"
    if kind.experts:
        feed_forward = moe(
            hidden_size=dims.hidden_size,
            num_experts=config.integer("num_local_experts", default=16),
            intermediate_size=dims.intermediate_size,
            top_k=config.integer("num_experts_per_tok", default=1),
            name=name,
            router_name="router",
            shared_intermediate=dims.intermediate_size,
            shared_name="shared_expert",
            routing="llama4",
        )
    else:
        feed_forward = gated_mlp(
            hidden_size=dims.hidden_size,
            intermediate_size=config.integer("intermediate_size_mlp", default=16384),
            name=name,
        )
    return layer(
        gqa(
            hidden_size=dims.hidden_size,
            num_heads=dims.num_attention_heads,
            num_kv_heads=dims.num_key_value_heads,
            head_dim=dims.head_dim,
            kind="chunked_local" if local else "full_attention",
            window=chunk if local else None,
        ),
        feed_forward,
        norms(dims.hidden_size),
    )


def _tower(vision: ModelConfig, shape: Shape) -> tuple[Module, ...]:
    at = "vision_model."
    positions = shape.grid**2 + 1
    head_dim = shape.width // shape.heads
    middle = vision.integer("projector_input_dim", default=4096)
    return (
        dense(
            f"{at}patch_embedding.linear",
            shape.channels * shape.patch_size**2,
            shape.width,
            parallel="column",
            bias=False,
            quantizable=False,
        ),
        Tensor(name=f"{at}class_embedding", shape=(shape.width,)),
        Tensor(name=f"{at}positional_embedding_vlm", shape=(positions, shape.width)),
        norm(f"{at}layernorm_pre", shape.width, bias=True),
        norm(f"{at}layernorm_post", shape.width, bias=True),
        *blocks(
            f"{at}model.layers",
            count=shape.layers,
            width=shape.width,
            heads=shape.heads,
            mlp_width=shape.mlp_width,
            names=BlockNames(
                qkv="self_attn.qkv_proj",
                qkv_parts=("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
                out="self_attn.o_proj",
            ),
            quantizable=False,
        ),
        dense(f"{at}vision_adapter.mlp.fc1", shape.mlp_width, middle, parallel="column", bias=False, quantizable=False),
        dense(
            f"{at}vision_adapter.mlp.fc2",
            middle,
            vision.integer("projector_output_dim", default=4096),
            parallel="row",
            bias=False,
            quantizable=False,
        ),
        Tensor(
            name=f"{at}rotary_emb.cos_sin_cache",
            shape=(positions, head_dim // 2),
            dtype="complex64",
            shared=f"mllama4 {positions} {head_dim}",
            buffer=True,
        ),
    )


class Llama4Vision(ArchitectureAdapter):
    """Llama 4 with its tower, which vLLM does not quantize."""

    name = "Llama4ForConditionalGeneration"
    architectures = ("Llama4ForConditionalGeneration",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        section = text_section(config, model_type="llama4_text", tied=False)
        text = text_spec(section, config, context, architecture="Llama4ForCausalLM")
        vision = vision_section(config, "llama4_vision_model")
        shape = vision_shape(vision)
        output = vision.integer("vision_output_dim", default=7680)
        projector = dense(
            "multi_modal_projector.linear_1", output, text.hidden_size, parallel="column", bias=False, quantizable=False
        )
        ratio = vision.number("pixel_shuffle_ratio", default=0.5)
        if not 0 < ratio <= 1:
            raise vision.error("pixel_shuffle_ratio", "must be above 0 and at most 1")
        tiles = _TILES + 1
        per_tile = shape.grid**2 // round(1 / ratio**2)
        image = image_encoder(shape, tokens=per_tile * tiles, patches=shape.grid**2 + 1, images=tiles)
        return multimodal(
            text,
            config,
            modules=(*_tower(vision, shape), projector),
            encoders=(image,),
            data_parallel=True,
        )


def adapters() -> Iterable[ArchitectureAdapter]:
    """Llama 4, text alone and with images."""
    return [Llama4Text(), Llama4Vision()]
