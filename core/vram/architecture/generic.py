"""A decoder that no adapter knows, from its config's standard fields: everything about it is `assumed`.

Where the config leaves something open the larger possibility counts (a gate in the feed-forward network, an LM head of
its own, no window, every bias and norm that decoders have), since too little memory is the dangerous mistake. What cannot
be bounded so is refused: a name that is no generating model's, and any field that may be a size nobody told us of
(`vram.architecture.explained`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from vram.architecture.attention import QkNorm
from vram.architecture.decoder import Dimensions
from vram.architecture.expert_family import ExpertFamily
from vram.architecture.explained import unexplained
from vram.architecture.family import EVERY_RANK, Frame, LayerKind
from vram.architecture.parts import norms
from vram.architecture.placement import expert_layers, layer_windows, none_slides
from vram.architecture.pooling_names import GENERATING
from vram.architecture.positions import position_table
from vram.architecture.reading import overridden
from vram.errors import ArchitectureError
from vram.models.adapter import BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Module, Stage, Tensor
from vram.models.record import evolve
from vram.models.spec import ModelSpec

_BIASES = ("attention_bias", "qkv_bias", "use_qkv_bias", "add_qkv_bias", "bias", "use_bias", "add_bias_linear")
_MLP_BIASES = ("mlp_bias", "bias", "use_bias", "add_bias_linear")
_SHARED = ("num_shared_experts", "n_shared_experts", "moe_num_shared_experts", "num_shared_expert")
_SHARED_WIDTHS = (
    "shared_expert_intermediate_size",
    "moe_shared_expert_intermediate_size",
    "shared_intermediate_size",
    "share_expert_dim",
)
#: names of the same quantity: where a config has several of them, the largest counts
_ALIASES: Mapping[str, tuple[str, ...]] = {
    "num_hidden_layers": ("n_layer", "n_layers", "num_layers"),
    "hidden_size": ("n_embd", "d_model"),
    "num_key_value_heads": ("num_kv_heads", "num_attention_groups", "n_head_kv"),
    "intermediate_size": ("n_inner", "ffn_dim", "ffn_hidden_size"),
    "vocab_size": ("padded_vocab_size",),
    "max_position_embeddings": ("n_positions", "n_ctx", "seq_length", "max_seq_len", "max_sequence_length"),
}
#: a window longer than any context
_ENDLESS = 1 << 40
#: what configs of models that rotate say; without any of it positions may be learned
_ROTATES = ("rms_norm_eps", "rope_theta", "rope_parameters", "rope_scaling", "rotary_dim", "rotary_pct", "alibi")


class Generic(ExpertFamily):
    """Grouped-query attention and a gated feed-forward network or experts, as the config's numbers say."""

    architectures = ("an unknown decoder",)
    qkv_bias = "assumed_attention_bias"
    out_bias = "assumed_attention_bias"
    mlp_bias = "assumed_mlp_bias"
    qk_norm: ClassVar[QkNorm] = "replicated"
    norm_bias = True
    sinks = True
    frame = Frame(final_norm_bias=True, lm_head_bias=True, every_rank=EVERY_RANK)
    correction_bias = True
    router_bias = True
    router_dtype = "float32"
    expert_bias = True

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model, marked `assumed` with the risks. Raises ConfigError, ArchitectureError where it may be another kind."""
        refusal = refused(config)
        if refusal is not None:
            raise refusal
        return evolve(super().build(config, context), provenance="assumed")

    def prepare(self, config: ModelConfig) -> ModelConfig:
        """Sizes under any of their usual names; biases unless the config says that there are none."""
        more: dict[str, object] = {
            "assumed_attention_bias": _not_denied(config, _BIASES),
            "assumed_mlp_bias": _not_denied(config, _MLP_BIASES),
        }
        for name, others in _ALIASES.items():
            given = [config.integer(each) for each in (name, *others) if config.has(each)]
            if given:
                more[name] = max(given)
        if "intermediate_size" not in more and config.has(*self.width_field):
            more["intermediate_size"] = config.integer(*self.width_field)
        elif "intermediate_size" not in more and "n_inner" not in config.raw:  # GPT-2's null is four times the width
            raise config.error("intermediate_size", "is missing")
        return overridden(config, **more)

    def norms(self, config: ModelConfig, kind: LayerKind) -> tuple[Tensor, ...]:
        """Four: some decoders have two more after their blocks."""
        more = norms(kind.dims.hidden_size, "post_attention_norm", "post_feedforward_norm", bias=True)
        return (*super().norms(config, kind), *more)

    def windows(self, config: ModelConfig, dims: Dimensions) -> Sequence[int | None]:
        """Only `layer_types` shortens a window: without it keys and values of every token count, and the block more that a
        window needs which has not begun to slide."""
        if config.has("layer_types") or not config.integer("sliding_window", default=0, low=0):
            return layer_windows(config, dims.num_hidden_layers, absent=none_slides)
        return (_ENDLESS,) * dims.num_hidden_layers

    def sparse(self, config: ModelConfig, dims: Dimensions) -> Sequence[bool]:
        """Experts where there is more than one; of every n layers the first, as many as any way of counting gives."""
        layers = dims.num_hidden_layers
        if not config.has(*self.experts_field) or config.integer(*self.experts_field, low=0) < 2:
            return (False,) * layers
        if config.has("mlp_layer_types") or isinstance(config.get("moe_layer_freq"), list | tuple):
            return expert_layers(config, layers)
        first = config.integer("first_k_dense_replace", "num_dense_layers", default=0, low=0)
        step = config.integer("moe_layer_freq", "decoder_sparse_step", default=1)
        only_mlp = frozenset(config.integers("mlp_only_layers")) if step == 1 else frozenset()
        return tuple(i >= first and (i - first) % step == 0 and i not in only_mlp for i in range(layers))

    def shared_width(self, config: ModelConfig) -> int:
        """Shared experts as wide as routed ones, or as wide as the config says, whichever is more."""
        count = config.integer(*_SHARED, default=0, low=0)
        own = config.integer(*_SHARED_WIDTHS, default=0, low=0)
        return max(own * max(count, 1), count * self.expert_width(config))

    def outside(self, config: ModelConfig, dims: Dimensions) -> tuple[tuple[Stage, Module], ...]:
        """A norm of the embeddings, and learned positions where nothing says that they are not."""
        parts: list[tuple[Stage, Module]] = [("every", norms(dims.hidden_size, "model.embed_norm", bias=True)[0])]
        if not config.has(*_ROTATES):
            parts.append(
                position_table("model.embed_positions", dims.max_position + 2, dims.hidden_size, stage="every")
            )
        return tuple(parts)

    def assumptions(self, config: ModelConfig) -> tuple[str, ...]:
        """What was taken for granted."""
        name = config.architecture
        notes = [
            f"No adapter knows {name}: it is taken for a plain decoder with the dimensions in its config, and every figure "
            "of it is assumed. Whether vLLM serves it is not known here.",
            f"{name}'s feed-forward network is taken to have a gate; without one its weights are a third smaller.",
        ]
        notes.append(
            f"{name}'s linears are taken to be divided over tensor-parallel ranks; where they are not, more is held."
        )
        if not config.has("tie_word_embeddings"):
            notes.append(f"{name}'s config does not say whether embeddings are tied; an LM head of its own is counted.")
        if config.has("sliding_window") and not config.has("layer_types"):
            notes.append(f"{name}'s sliding_window is not counted on: full attention needs more cache.")
        if config.has(*self.experts_field):
            notes.append(
                f"{name}'s experts are taken to have gates and to stand in the layers the config's fields suggest."
            )
        return tuple(notes)


def _not_denied(config: ModelConfig, names: Sequence[str]) -> bool:
    """True where one of the flags is set, or none is unset."""
    given = [config.flag(name) for name in names if config.has(name)]
    return any(given) or not given


def refused(config: ModelConfig) -> ArchitectureError | None:
    """Why a config may be another kind of model, which no tensors of it would change; None where it may be a plain decoder."""
    found = unexplained(config)
    if not config.architecture.endswith(GENERATING):
        problem = "is not known to any plugin, and its name is no generating decoder's"
    elif found is not None:
        problem = f"is not known to any plugin, and its field {found[:60]!r} speaks of what a plain decoder has not"
    else:
        return None
    return ArchitectureError(architecture=config.architecture, problem=problem)
