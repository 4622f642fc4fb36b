"""Gemma 4 with its vision tower and, in the small sizes, its audio tower.

Sources: vLLM 0.32.0 `gemma4_mm.py`; transformers' `modeling_gemma4.py`, whose towers vLLM runs.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import norm
from vram.architecture.items import Items, setting
from vram.architecture.towers import convolution, dense, multimodal, with_tower
from vram.architecture.vision_shape import Shape, vision_shape
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Module, Tensor
from vram.models.record import evolve
from vram.models.spec import Encoder, ModelSpec
from vram_plugins.architectures.language import text_section, text_spec
from vram_plugins.architectures.vision import image_encoder, vision_section

_VIDEO_FRAMES, _FRAME_TOKENS, _FRAME_MARKS = 32, 70, 8  # `gemma4_mm.py`
_AUDIO_TOKENS = 750  # the processor's audio_seq_length
_MELS = 128
#: before, the vision tower's widths decided for both (`gemma4_mm.py:_get_tower_quant_config`)
_AUDIO_JUDGED_ALONE = (0, 33, 0)
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
        outer = with_vision(text, config, context)
        if section.get("use_bidirectional_attention") == "vision":
            outer = evolve(outer, hints=outer.hints | {"mm_prefix_lm"})
        audio = config.sub("audio_config")
        judged = audio if audio is not None and context.vllm_version >= _AUDIO_JUDGED_ALONE else None
        return with_hearing(outer, config, quantizable=takes_scheme(judged or _vision_of(config), context))


def _vision_of(config: ModelConfig) -> ModelConfig:
    return vision_section(config, "gemma4_vision")


def takes_scheme(tower: ModelConfig, context: BuildContext) -> bool:
    """Whether a tower's linears are quantized: by some methods always, by others where its widths are multiples of 64."""
    widths = [tower.integer(name) for name in ("hidden_size", "intermediate_size") if tower.has(name)]
    return context.quantization in _ANY_WIDTH or not any(width % 64 for width in widths)


def with_vision(text: ModelSpec, config: ModelConfig, context: BuildContext) -> ModelSpec:
    """The language model with the vision tower beside it. Raises ConfigError."""
    vision = _vision_of(config)
    shape = vision_shape(vision)
    quantizable = takes_scheme(vision, context)
    modules = [
        *_vision(vision, shape, quantizable=quantizable),
        dense("embed_vision.embedding_projection", shape.width, text.hidden_size, bias=False, quantizable=quantizable),
    ]
    return multimodal(
        text,
        config,
        modules=modules,
        encoders=tuple(_images(config, vision, shape, context.items)),
        renames=_RENAMES,
        modalities=("image", "video"),
    )


def with_hearing(outer: ModelSpec, config: ModelConfig, *, quantizable: bool) -> ModelSpec:
    """The model with the audio tower beside it, where the config has one. Raises ConfigError."""
    audio = config.sub("audio_config")
    if audio is None:
        return outer
    output = audio.integer("output_proj_dims", default=1536)
    width = audio.integer("hidden_size", default=1024)
    tower = (
        *_audio(audio, quantizable=quantizable),
        dense("embed_audio.embedding_projection", output, outer.hidden_size, bias=False, quantizable=quantizable),
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


def _images(config: ModelConfig, vision: ModelConfig, shape: Shape, items: Items) -> Iterable[Encoder]:
    """The largest image and the largest video; a pooling kernel joins patches of either."""
    joined = vision.integer("pooling_kernel_size", default=3) ** 2
    tokens = vision.integer(
        "default_output_length", default=config.integer("vision_soft_tokens_per_image", default=280)
    )
    tokens = setting(items, "max_soft_tokens", default=tokens)
    image = image_encoder(shape, tokens=tokens, patches=tokens * joined, gated=True, tensor_parallel=False)
    yield image
    frames = _VIDEO_FRAMES * _FRAME_TOKENS
    yield evolve(
        image_encoder(
            shape, tokens=frames, patches=frames * joined, gated=True, tensor_parallel=False, modality="video"
        ),
        max_item_tokens=_VIDEO_FRAMES * (_FRAME_TOKENS + _FRAME_MARKS),
    )


def adapters() -> Iterable[ArchitectureAdapter]:
    """Gemma 4 with its towers."""
    return [Gemma4()]
