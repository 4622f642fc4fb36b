"""Persimmon and Fuyu, which sees by it: vLLM's own classes to 0.25, then transformers', held whole on every rank.

Sources: vLLM 0.24.0 `persimmon.py`, `fuyu.py`; 0.33.0 `models/transformers/base.py:recursive_replace`, which divides
by transformers' tensor-parallel plan, and Persimmon has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from vram.architecture import DecoderFamily, Frame, LayerKind, Names, Part
from vram.architecture.family import EVERY_RANK, Tying
from vram.architecture.parts import norm, replicated
from vram.architecture.reading import overridden
from vram.architecture.towers import dense, multimodal
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Linear, Module, Split
from vram.models.record import evolve
from vram.models.spec import Encoder, ModelSpec
from vram_plugins.architectures.language import filled

#: first version without classes of vLLM's own
_TRANSFORMERS_SINCE = (0, 26, 0)
_UNSEEN = (
    "That vLLM 0.26 and later hold Fuyu whole on every rank was read in its source and is not compared with an answer."
)
_PIXELS = (1080, 1920)  # rows and columns of the largest image
_DEFAULTS = {
    "vocab_size": 262144,
    "hidden_size": 4096,
    "intermediate_size": 16384,
    "num_hidden_layers": 36,
    "num_attention_heads": 64,
    "max_position_embeddings": 16384,
    "qk_layernorm": True,
    "partial_rotary_factor": 0.5,
}


class OwnPersimmon(DecoderFamily):
    """Biases and norms with bias everywhere, an LM head of its own; nothing is left out of a pipeline rank."""

    architectures: tuple[str, ...] = ("PersimmonForCausalLM",)
    defaults: ClassVar[Mapping[str, object]] = _DEFAULTS
    names = Names(
        fused_qkv="query_key_value",
        qkv=("query_key_value",),
        out="dense",
        up=("dense_h_to_4h",),
        down="dense_4h_to_h",
    )
    ties: ClassVar[Tying] = "never"
    qkv_bias = True
    out_bias = True
    mlp_bias = True
    gated = False
    norm_bias = True
    head_dim_field = False
    frame = Frame(final_norm_bias=True, every_rank=EVERY_RANK)

    def attention(self, config: ModelConfig, kind: LayerKind) -> Part:
        """Norms of queries and keys have biases, too."""
        part = super().attention(config, kind)
        if not config.flag("qk_layernorm"):
            return part
        return evolve(part, modules=(*part.modules, norm("self_attn.qk_layernorms", 2 * kind.dims.head_dim, bias=True)))


class Persimmon(OwnPersimmon):
    """transformers' class, where vLLM has none of its own: one matrix for queries, keys and values."""

    ties = "as the config says"
    frame = Frame(final_norm_bias=True, rope="frequencies")

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as this version builds it. Raises ConfigError."""
        if context.vllm_version < _TRANSFORMERS_SINCE:
            return OwnPersimmon().build(config, context)
        return super().build(config, context)

    def attention(self, config: ModelConfig, kind: LayerKind) -> Part:
        """Whole on every rank; heads are divided all the same."""
        part = super().attention(config, kind)
        return replicated(evolve(part, modules=tuple(_joined(module) for module in part.modules)))

    def feed_forward(self, config: ModelConfig, kind: LayerKind) -> Part:
        """Whole on every rank."""
        return replicated(super().feed_forward(config, kind))


def _joined(module: Module) -> Module:
    """A linear with one output instead of several."""
    if not isinstance(module, Linear):
        return module
    return evolve(module, outputs=(Split(size=sum(part.size for part in module.outputs)),))


class Fuyu(ArchitectureAdapter):
    """Patches of an image become embeddings by one linear, and nothing else sees them before Persimmon."""

    name = "FuyuForCausalLM"
    architectures = ("FuyuForCausalLM",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as this version builds it. Raises ConfigError."""
        inner = config.text()
        section = filled(inner, {"architectures": ["PersimmonForCausalLM"], "dtype": config.get("dtype")})
        own = context.vllm_version < _TRANSFORMERS_SINCE
        if not own:
            section = overridden(section, tie_word_embeddings=config.flag("tie_word_embeddings"))
        text = Persimmon().build(section, context)
        edge, channels = config.integer("patch_size", default=30), config.integer("num_channels", default=3)
        patch = edge**2 * channels
        patches = (_PIXELS[0] // edge) * (_PIXELS[1] // edge)
        image = Encoder(
            modality="image",
            max_item_tokens=patches + _PIXELS[0] // edge,  # each row ends in a token of its own
            patches=patches,
            width=text.hidden_size,
            mlp_width=patch,
            tensor_parallel=own,
            input_elements=patches * patch,
        )
        linear = dense("vision_embed_tokens", patch, text.hidden_size, parallel="column" if own else "replicated")
        renames = (
            ("model.vision_embed_tokens", "vision_embed_tokens"),
            ("model.language_model.", "language_model.model."),
        )
        spec = multimodal(text, config, modules=(linear,), encoders=(image,), renames=renames)
        return spec if own else evolve(spec, assumptions=(*spec.assumptions, _UNSEEN))


def adapters() -> Iterable[ArchitectureAdapter]:
    """Persimmon, Fuyu."""
    return [Persimmon(), Fuyu()]
