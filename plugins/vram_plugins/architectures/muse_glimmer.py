"""Muse Glimmer: gated attention, three layers of four sliding, and a ViT beside it.

Source: vLLM 0.33.0 `muse_glimmer.py`; defaults are those of transformers' config classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from vram.architecture.decoder import Dimensions
from vram.architecture.family import EVERY_RANK, DecoderFamily, Frame, LayerKind, Names
from vram.architecture.parts import Part, bias_free_linear, norm
from vram.architecture.placement import layer_windows
from vram.architecture.positions import layer_rope
from vram.architecture.reading import overridden
from vram.architecture.towers import convolution, multimodal
from vram.architecture.vision_shape import vision_shape
from vram.architecture.vit import BlockNames, blocks
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Linear, Module, Tensor
from vram.models.record import evolve
from vram.models.spec import Encoder, ModelSpec
from vram_plugins.architectures.gemma import FOUR_NORMS
from vram_plugins.architectures.language import filled, text_section, text_spec
from vram_plugins.architectures.vision import image_encoder, vision_section

#: the published processor's largest image, and a video's frames and embeddings per pair of them
_IMAGE_TOKENS = 4096
_VIDEO_FRAMES = 96
_VIDEO_PAIR_TOKENS = 144

_RENAMES = (
    ("model.language_model.", "model."),
    ("language_model.", "model."),
    ("model.vision_tower.", "vision_encoder."),
    ("model.vision_adapter.", "vision_adapter."),
    ("model.vision_projection.", "vision_projection."),
)


class MuseGlimmerText(DecoderFamily):
    """The language model; layers whose `layer_rope_theta` is 0 do not rotate."""

    architectures: tuple[str, ...] = ("MuseGlimmerForCausalLM",)
    ties = "never"
    defaults: ClassVar[Mapping[str, object]] = {
        "hidden_size": 6656,
        "intermediate_size": 19968,
        "num_hidden_layers": 52,
        "num_attention_heads": 32,
        "num_key_value_heads": 2,
        "head_dim": 128,
        "vocab_size": 202048,
        "max_position_embeddings": 131072,
        "sliding_window": 2048,
    }
    names = Names(norms=FOUR_NORMS)
    frame = Frame(rope="none", every_rank=EVERY_RANK)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """One class in vLLM for both names: a config with a tower's section has the tower (`_muse_glimmer_has_vision`)."""
        if config.sub("vision_config") is not None:
            whole = overridden(config, architectures=[MuseGlimmer.name])
            return evolve(MuseGlimmer().build(whole, context), architecture=config.architecture)
        text = text_section(config, model_type="muse_glimmer_text") if config.has("text_config") else config
        return super().build(text, context)

    def windows(self, config: ModelConfig, dims: Dimensions) -> Sequence[int | None]:
        """Without `layer_types` every fourth layer, counted from the last, is full."""
        layers = dims.num_hidden_layers
        return layer_windows(config, layers, absent=lambda index: (layers - 1 - index) % 4 != 0)

    def kinds(self, config: ModelConfig, dims: Dimensions) -> Sequence[LayerKind]:
        """The kind of each layer: its window, and whether it rotates."""
        layers = dims.num_hidden_layers
        bases = config.get("layer_rope_theta")
        if not isinstance(bases, list | tuple):
            bases = [(layers - 1 - index) % 4 for index in range(layers)]
        if len(bases) < layers:
            raise config.error("layer_rope_theta", f"has {len(bases)} entries for {layers} layers")
        return [
            LayerKind(dims=dims, window=window, variant="rotates" if base else "")
            for window, base in zip(self.windows(config, dims), bases[:layers], strict=True)
        ]

    def attention(self, config: ModelConfig, kind: LayerKind) -> Part:
        """A gate as wide as all heads; norms of queries and keys have no weights."""
        part, dims = super().attention(config, kind), kind.dims
        gate = bias_free_linear(
            "self_attn.output_gate_proj", dims.hidden_size, dims.num_attention_heads * dims.head_dim
        )
        gate = evolve(gate, sources=("self_attn.gate_proj",))
        block = config.sub("rope_parameters") or config.sub("rope_scaling")
        table = (layer_rope(config, dims, block.raw if block else {}),) if kind.variant else ()
        return Part(modules=(*part.modules, gate, *table), caches=part.caches)


class MuseGlimmer(ArchitectureAdapter):
    """With its tower, none of which takes a quantization; only its attention is divided over the ranks."""

    name = "MuseGlimmerForConditionalGeneration"
    architectures = ("MuseGlimmerForConditionalGeneration",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        config = filled(config, {"out_hidden_size": 6144, "projector_hidden_size": 4096})
        section = text_section(config, model_type="muse_glimmer_text")
        text = text_spec(section, config, context, architecture="MuseGlimmerForCausalLM")
        vision = vision_section(config, "muse_glimmer_vision")
        shape = vision_shape(vision)
        merge = vision.integer("merge_size", default=2)
        image = image_encoder(shape, tokens=_IMAGE_TOKENS, patches=_IMAGE_TOKENS * merge**2)
        divides = shape.heads % context.tensor_parallel_size == 0
        return multimodal(
            text,
            config,
            modules=_tower(config, vision, hidden=text.hidden_size, divided=divides),
            encoders=(image, _video(image, context.max_model_len or text.max_model_len)),
            renames=_RENAMES,
            prefix="",
            modalities=("image", "video"),
        )


def _video(image: Encoder, length: int) -> Encoder:
    """As many pairs of frames as fit a request."""
    pairs = min(max(1, length // _VIDEO_PAIR_TOKENS), _VIDEO_FRAMES // 2)
    tokens = pairs * _VIDEO_PAIR_TOKENS
    share = tokens / image.max_item_tokens
    return evolve(
        image,
        modality="video",
        max_item_tokens=tokens,
        patches=round(image.patches * share),
        input_elements=round(image.input_elements * share),
    )


def _tower(config: ModelConfig, vision: ModelConfig, *, hidden: int, divided: bool) -> tuple[Module, ...]:
    shape = vision_shape(vision)
    frames = vision.integer("patch_temporal", default=2)
    positions = vision.integer("pos_emb_height", default=32) * vision.integer("pos_emb_width", default=32)
    out, middle = config.integer("out_hidden_size"), config.integer("projector_hidden_size")
    at = "vision_encoder."
    layers = blocks(
        f"{at}transformer",
        count=shape.layers,
        width=shape.width,
        heads=shape.heads,
        mlp_width=shape.mlp_width,
        names=BlockNames(qkv="attn.qkv_proj", out="attn.o_proj", up="mlp.c_fc", down="mlp.c_proj"),
        quantizable=False,
    )
    return (
        convolution(f"{at}conv1_linear", shape.width, 3 * frames, shape.patch_size, shape.patch_size, bias=False),
        Tensor(name=f"{at}positional_embedding_vlm", shape=(positions, shape.width)),
        norm(f"{at}ln_pre", shape.width, bias=True),
        *(_held(module, divided=divided) for module in layers),
        norm(f"{at}ln_post", shape.width, bias=True),
        convolution("vision_adapter.c_fc", middle, out, bias=False),
        convolution("vision_adapter.c_proj", middle, middle, bias=False),
        convolution("vision_projection.weight", hidden, middle, bias=False),
    )


def _held(module: Module, *, divided: bool) -> Module:
    """Attention divided where the heads can be, the rest whole on every rank (torch's own linears)."""
    if not isinstance(module, Linear) or (divided and ".attn." in module.name):
        return module
    return evolve(module, parallel="replicated")


def adapters() -> Iterable[ArchitectureAdapter]:
    """Muse Glimmer with and without its tower."""
    return [MuseGlimmerText(), MuseGlimmer()]
