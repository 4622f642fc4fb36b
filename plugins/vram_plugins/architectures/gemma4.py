"""Gemma 4: sliding and full layers of different head sizes, shared caches, per-layer embeddings, towers.

Sources: vLLM 0.32.0 `gemma4.py`, `gemma4_mm.py`; transformers' `modeling_gemma4.py`, whose towers vLLM runs.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve, frozen

from vram import hookimpl
from vram.architecture import (
    Dimensions,
    Part,
    decoder,
    dimensions,
    gated_mlp,
    gqa,
    layer,
    norm,
    norms,
    runs_by_kind,
)
from vram.architecture.towers import convolution, dense, multimodal, with_tower
from vram.architecture.vision_towers import Shape, vision_shape
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Embedding, Experts, Linear, Module, Split, Stage, Tensor
from vram.models.spec import Encoder, Layer, ModelSpec
from vram.vllm.rope import Rope, rope_table
from vram_plugins.architectures.language import filled, text_section, text_spec
from vram_plugins.architectures.vision import image_encoder, vision_section

_POSITIONS = 131072
_PATTERN = 6  # every sixth layer is full where the config names no layer types
_VIDEO_FRAMES, _FRAME_TOKENS, _FRAME_MARKS = 32, 70, 8  # `gemma4_mm.py`
_AUDIO_TOKENS = 750  # the processor's audio_seq_length
_MELS = 128
#: methods for which vLLM also quantizes tower linears whose widths are no multiples of 64
_ANY_WIDTH = frozenset({"bitsandbytes", "torchao", "compressed-tensors"})
_RENAMES = (
    ("model.vision_tower", "vision_tower"),
    ("model.embed_vision", "embed_vision"),
    ("model.audio_tower.", "audio_tower."),
    ("model.embed_audio.", "embed_audio."),
    ("model.language_model.", "language_model.model."),
    ("lm_head.", "language_model.lm_head."),
    ("model.", "language_model.model."),
)


@frozen(kw_only=True)
class Kind:
    """A sliding or full layer; `shared` ones read the cache of an earlier layer of their type."""

    full: bool
    shared: bool


class Gemma4Text(ArchitectureAdapter):
    """The language model alone."""

    name = "Gemma4ForCausalLM"
    architectures = ("Gemma4ForCausalLM",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        inner = config.text()
        if inner is not config:
            inner = ModelConfig(
                raw={**inner.raw, "architectures": list(config.strings("architectures"))},
                path=config.path,
                section=inner.section,
            )
        config = filled(inner, {"tie_word_embeddings": True, "head_dim": 256, "global_head_dim": 512})
        dims = dimensions(config, tie_default=True, max_position_default=_POSITIONS)
        kinds = _kinds(config, dims.num_hidden_layers)
        runs = runs_by_kind(kinds, lambda kind: _layer(config, dims, kind))
        return decoder(
            config,
            dims,
            runs=runs,
            context=context,
            rope="none",
            extra=(("every", _scalar("model.normalizer")), *_per_layer(config, dims)),
            max_position_default=_POSITIONS,
            embed_stage="every",
            norm_stage="every",
            head_stage="every",
        )


def _scalar(name: str) -> Tensor:
    return Tensor(name=name, shape=(1,), buffer=True)


def _kinds(config: ModelConfig, layers: int) -> list[Kind]:
    """The last layer is full whatever the config says; the last `num_kv_shared_layers` own no cache."""
    types = config.strings("layer_types") or tuple(
        "sliding_attention" if (index + 1) % _PATTERN else "full_attention" for index in range(layers)
    )
    if len(types) < layers:
        raise config.error("layer_types", f"has {len(types)} entries for {layers} layers")
    shared = config.integer("num_kv_shared_layers", default=0, low=0)
    if shared >= layers:
        raise config.error("num_kv_shared_layers", f"is {shared} of {layers} layers")
    full = [types[index] == "full_attention" or index == layers - 1 for index in range(layers)]
    return [Kind(full=full[index], shared=shared > 0 and index >= layers - shared) for index in range(layers)]


def _heads(config: ModelConfig, dims: Dimensions, *, full: bool) -> tuple[int, int]:
    """(head size, KV heads) of a layer; full layers have their own where keys serve as values."""
    if not full:
        return dims.head_dim, dims.num_key_value_heads
    kv = dims.num_key_value_heads
    if config.flag("attention_k_eq_v"):
        kv = config.integer("num_global_key_value_heads", default=kv)
    return config.integer("global_head_dim", default=512), kv


def _rope(config: ModelConfig, dims: Dimensions, *, full: bool) -> Tensor:
    """The table of a layer type, as wide as its heads (proportional ones too); only ranks with such layers have it."""
    plain = Rope(kind="default", factor=1.0, original_max_position=None, partial=1.0, mrope=False)
    table = rope_table(plain, head_dim=_heads(config, dims, full=full)[0], max_position=dims.max_position)
    return evolve(table, shared=f"gemma4 {full} {dims.max_position}")


def _per_layer(config: ModelConfig, dims: Dimensions) -> Iterable[tuple[Stage, Module]]:
    """Embeddings that each layer mixes in: one table for all layers, on every pipeline rank."""
    width = config.integer("hidden_size_per_layer_input", default=256, low=0)
    if not width:
        return
    total = width * dims.num_hidden_layers
    table = Embedding(
        name="model.embed_tokens_per_layer",
        rows=config.integer("vocab_size_per_layer_input", default=dims.vocab_size),
        columns=total,
        sources=("model.embed_tokens_per_layer",),
    )
    yield "every", table
    yield "every", dense("model.per_layer_model_projection", dims.hidden_size, total, parallel="column", bias=False)
    yield "every", norm("model.per_layer_projection_norm", width)
    for name in ("embed_scale_per_layer", "per_layer_input_scale", "per_layer_projection_scale"):
        yield "every", _scalar(f"model.{name}")


def _attention(config: ModelConfig, dims: Dimensions, kind: Kind) -> Part:
    head_dim, kv = _heads(config, dims, full=kind.full)
    bias = config.flag("attention_bias")
    window = None if kind.full else config.integer("sliding_window", default=512)
    if not kind.full and config.string("use_bidirectional_attention") == "all" and window:
        window = window // 2 + 1
    part = gqa(
        hidden_size=dims.hidden_size,
        num_heads=dims.num_attention_heads,
        num_kv_heads=kv,
        head_dim=head_dim,
        qkv_bias=bias,
        out_bias=bias,
        qk_norm="none" if kind.shared else "head",
        kind="sliding_window" if window else "full_attention",
        window=window,
        cached=not kind.shared,
    )
    if not kind.shared:
        return part
    query = Linear(
        name="self_attn.q_proj",
        inputs=dims.hidden_size,
        outputs=(Split(size=dims.num_attention_heads * head_dim, units=dims.num_attention_heads),),
        bias=bias,
        sources=("self_attn.q_proj",),
    )
    return Part(modules=(query, *part.modules[1:], norm("self_attn.q_norm", head_dim)))


def _layer(config: ModelConfig, dims: Dimensions, kind: Kind) -> Layer:
    width = dims.hidden_size
    doubled = kind.shared and config.flag("use_double_wide_mlp")
    names = ["input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm"]
    parts: list[Part | tuple[Module, ...]] = [
        _attention(config, dims, kind),
        gated_mlp(hidden_size=width, intermediate_size=dims.intermediate_size * (2 if doubled else 1)),
    ]
    if config.has("num_experts"):
        parts.append(_experts(config, width))
        names += ["post_feedforward_layernorm_1", "post_feedforward_layernorm_2", "pre_feedforward_layernorm_2"]
    per_layer = config.integer("hidden_size_per_layer_input", default=256, low=0)
    if per_layer:
        gate = dense("per_layer_input_gate", width, per_layer, bias=False)
        parts.append((gate, dense("per_layer_projection", per_layer, width, bias=False)))
        names.append("post_per_layer_input_norm")
    parts.append(norms(width, *names))
    parts.append((_scalar("layer_scalar"), _rope(config, dims, full=kind.full)))
    return layer(*parts)


def _experts(config: ModelConfig, width: int) -> Part:
    """A router with two learned scales; its projection takes no quantization."""
    experts = config.integer("num_experts")
    return Part(
        modules=(
            dense("router.proj", width, experts, bias=False, quantizable=False),
            Experts(
                name="experts",
                num_experts=experts,
                hidden_size=width,
                intermediate_size=config.integer("moe_intermediate_size", "expert_intermediate_size"),
                top_k=config.integer("top_k_experts", default=8),
                sources=("experts",),
            ),
            Tensor(name="router.scale", shape=(width,)),
            Tensor(name="router.per_expert_scale", shape=(experts,)),
            _scalar("router.root_size"),
        )
    )


def _whole(
    name: str, inputs: int, outputs: int, *, quantizable: bool, clipped: bool, count: int = 1
) -> tuple[Module, ...]:
    """A tower's linear: whole on every rank, with four clipping bounds where the tower has them."""
    linear = dense(name, inputs, outputs, bias=False, quantizable=quantizable, count=count)
    return (linear, Tensor(name=f"{name}.bounds", shape=(4,), buffer=True, count=count)) if clipped else (linear,)


def _vision(vision: ModelConfig, shape: Shape, *, quantizable: bool) -> tuple[Module, ...]:
    at, width, count = "vision_tower.", shape.width, shape.layers
    head_dim = vision.integer("head_dim", default=64)
    queries = shape.heads * head_dim
    keys = vision.integer("num_key_value_heads", default=shape.heads) * head_dim
    clipped = vision.flag("use_clipped_linears")
    block = f"{at}encoder.layers.0."
    sizes = (
        ("self_attn.q_proj", width, queries),
        ("self_attn.k_proj", width, keys),
        ("self_attn.v_proj", width, keys),
        ("self_attn.o_proj", queries, width),
        ("mlp.gate_proj", width, shape.mlp_width),
        ("mlp.up_proj", width, shape.mlp_width),
        ("mlp.down_proj", shape.mlp_width, width),
    )
    modules: list[Module] = [
        Tensor(
            name=f"{at}patch_embedder.position_embedding_table",
            shape=(2, vision.integer("position_embedding_size", default=10240), width),
        ),
        dense(f"{at}patch_embedder.input_proj", 3 * shape.patch_size**2, width, bias=False, quantizable=quantizable),
        Tensor(name=f"{block}qk_norm", shape=(2, head_dim), count=count),
        Tensor(name=f"{block}norms", shape=(4, width), count=count),
        Tensor(name=f"{at}encoder.rotary_emb", shape=(2, head_dim // 4), dtype="float32", buffer=True),
    ]
    for name, inputs, outputs in sizes:
        modules += _whole(block + name, inputs, outputs, quantizable=quantizable, clipped=clipped, count=count)
    if vision.flag("standardize"):
        modules.append(Tensor(name=f"{at}std", shape=(2, width), buffer=True))
    return tuple(modules)


def _audio(audio: ModelConfig, *, quantizable: bool) -> tuple[Module, ...]:
    """A Conformer: two feed-forward halves, attention with relative positions, a depthwise convolution."""
    at = "audio_tower."
    width = audio.integer("hidden_size", default=1024)
    count = audio.integer("num_hidden_layers", default=12)
    first, second = (audio.integers("subsampling_conv_channels") or (128, 32))[:2]
    kernel = audio.integer("conv_kernel_size", default=5)
    clipped = audio.flag("use_clipped_linears", default=True)
    output = audio.integer("output_proj_dims", default=1536)
    block = f"{at}layers.0."
    stem = f"{at}subsample_conv_projection."
    sizes = [(f"self_attn.{name}", width, width) for name in ("q_proj", "k_proj", "v_proj", "post")]
    for half in ("feed_forward1", "feed_forward2"):
        sizes += [(f"{half}.ffw_layer_1", width, 4 * width), (f"{half}.ffw_layer_2", 4 * width, width)]
    sizes += [("lconv1d.linear_start", width, 2 * width), ("lconv1d.linear_end", width, width)]
    modules: list[Module] = [
        convolution(f"{stem}layer0.conv", first, 1, 3, 3, bias=False),
        norm(f"{stem}layer0.norm", first),
        convolution(f"{stem}layer1.conv", second, first, 3, 3, bias=False),
        norm(f"{stem}layer1.norm", second),
        dense(f"{stem}input_proj_linear", second * _MELS // 4, width, bias=False, quantizable=quantizable),
        dense(f"{block}self_attn.relative_k_proj", width, width, bias=False, quantizable=quantizable, count=count),
        Tensor(
            name=f"{block}self_attn.per_dim_scale",
            shape=(width // audio.integer("num_attention_heads", default=8),),
            count=count,
        ),
        Tensor(name=f"{block}self_attn.softcap", shape=(1,), buffer=True, count=count),
        Tensor(name=f"{block}lconv1d.depthwise_conv1d", shape=(width, kernel), count=count),
        Tensor(name=f"{block}norms", shape=(9, width), count=count),
        dense(f"{at}output_proj", width, output, quantizable=quantizable),
        Tensor(name=f"{at}rel_pos_enc.inv_timescales", shape=(width // 2,), buffer=True),
    ]
    for name, inputs, outputs in sizes:
        modules += _whole(block + name, inputs, outputs, quantizable=quantizable, clipped=clipped, count=count)
    return tuple(modules)


class Gemma4(ArchitectureAdapter):
    """Gemma 4 with its vision tower and, in the small sizes, its audio tower."""

    name = "Gemma4ForConditionalGeneration"
    architectures = ("Gemma4ForConditionalGeneration",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        section = text_section(config, model_type="gemma4_text", tied=True)
        text = text_spec(section, config, context, architecture="Gemma4ForCausalLM")
        vision = vision_section(config, "gemma4_vision")
        shape = vision_shape(vision)
        quantizable = context.quantization in _ANY_WIDTH or not (shape.width % 64 or shape.mlp_width % 64)
        hidden = text.hidden_size
        modules = [
            *_vision(vision, shape, quantizable=quantizable),
            dense("embed_vision.embedding_projection", shape.width, hidden, bias=False, quantizable=quantizable),
        ]
        outer = multimodal(
            text,
            config,
            modules=modules,
            encoders=tuple(_images(config, vision, shape)),
            renames=_RENAMES,
            modalities=("image", "video"),
        )
        if section.get("use_bidirectional_attention") == "vision":
            outer = evolve(outer, hints=outer.hints | {"mm_prefix_lm"})
        audio = config.sub("audio_config")
        if audio is None:
            return outer
        output = audio.integer("output_proj_dims", default=1536)
        width = audio.integer("hidden_size", default=1024)
        tower = (
            *_audio(audio, quantizable=quantizable),
            dense("embed_audio.embedding_projection", output, hidden, bias=False, quantizable=quantizable),
        )
        hearing = Encoder(
            modality="audio",
            max_item_tokens=_AUDIO_TOKENS,
            patches=_AUDIO_TOKENS,
            width=width,
            mlp_width=4 * width,
            heads=audio.integer("num_attention_heads", default=8),
            tensor_parallel=False,
            input_elements=4 * _AUDIO_TOKENS * _MELS,
        )
        return with_tower(outer, tower, modalities=("audio",), encoders=(hearing,))


def _images(config: ModelConfig, vision: ModelConfig, shape: Shape) -> Iterable[Encoder]:
    """The largest image and the largest video; a pooling kernel joins patches of either."""
    joined = vision.integer("pooling_kernel_size", default=3) ** 2
    tokens = vision.integer(
        "default_output_length", default=config.integer("vision_soft_tokens_per_image", default=280)
    )
    image = image_encoder(shape, tokens=tokens, patches=tokens * joined, gated=True, tensor_parallel=False)
    yield image
    frames = _VIDEO_FRAMES * _FRAME_TOKENS
    yield evolve(
        image_encoder(
            shape, tokens=frames, patches=frames * joined, gated=True, tensor_parallel=False, modality="video"
        ),
        max_item_tokens=_VIDEO_FRAMES * (_FRAME_TOKENS + _FRAME_MARKS),
    )


@hookimpl
def vram_architecture_adapters() -> Iterable[ArchitectureAdapter]:
    """Gemma 4, text alone and with its towers."""
    return [Gemma4Text(), Gemma4()]
