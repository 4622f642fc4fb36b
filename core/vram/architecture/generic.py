"""A decoder that no adapter knows, from its config's standard fields: everything about it is `assumed`.

Where the config leaves something open the larger possibility counts (a gate in the feed-forward network, an LM head of
its own, no window), since too little memory is the dangerous mistake. What cannot be bounded so is refused: other kinds
of attention, recurrent state, towers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from vram.architecture.attention import QkNorm
from vram.architecture.decoder import Dimensions
from vram.architecture.expert_family import ExpertFamily
from vram.architecture.placement import layer_windows, none_slides
from vram.architecture.reading import overridden
from vram.errors import ArchitectureError
from vram.models.adapter import BuildContext
from vram.models.config import ModelConfig
from vram.models.record import evolve
from vram.models.spec import ModelSpec

#: fields of kinds of attention, of state and of towers that standard fields say nothing about
_UNKNOWN_KINDS = re.compile(
    r"kv_lora_rank|(^|_)(mamba|ssm|rwkv|rnn|lru|kda|gdn|retention|recurrent)(_|$)|linear_(attn|attention|num|key|value|conv)"
    r"|(^|_)(conv_kernel|conv_l_cache|d_conv|d_state|state_size|state_dim|time_step|chunk_size)(_|$)|conv_L_cache"
    r"|index_topk|index_head|sparse_attention|compress_ratio|block_configs|per_layer_config|mova_|layers_block_type|hybrid_override_pattern"
    r"|attn_layer_(period|offset|indices)|(^|_)(loop|loops|cycles|recurrence|recursion)(_|$)|num_ut_steps"
    r"|cross_attention|encoder_(layers|hidden|attention)|decoder_layers"
    r"|(vision|audio|speech|visual|vit|thinker|talker)_?(config|tower|encoder)|(text|llm|language)_config"
)
_BIASES = ("attention_bias", "qkv_bias", "use_qkv_bias", "add_qkv_bias", "bias", "use_bias", "add_bias_linear")
_MLP_BIASES = ("mlp_bias", "bias", "use_bias", "add_bias_linear")
_QK_NORMS = ("use_qk_norm", "qk_norm", "use_qk_layernorm", "qk_layernorm")
_SHARED = ("num_shared_experts", "n_shared_experts", "moe_num_shared_experts", "num_shared_expert")
_SHARED_WIDTHS = (
    "shared_expert_intermediate_size",
    "moe_shared_expert_intermediate_size",
    "shared_intermediate_size",
    "share_expert_dim",
)


class Generic(ExpertFamily):
    """Grouped-query attention and a gated feed-forward network or experts, as the config's numbers say."""

    architectures = ("an unknown decoder",)
    qkv_bias = "assumed_attention_bias"
    out_bias = "assumed_attention_bias"
    mlp_bias = "assumed_mlp_bias"
    correction_bias = True
    router_dtype = "float32"

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model, marked `assumed` with the risks. Raises ConfigError, ArchitectureError where it may be another kind."""
        found = unknown_kind(config)
        if found is not None:
            problem = f"is not known to any plugin, and its field {found[:60]!r} speaks of what a plain decoder has not"
            raise ArchitectureError(architecture=config.architecture, problem=problem)
        return evolve(super().build(config, context), provenance="assumed")

    def prepare(self, config: ModelConfig) -> ModelConfig:
        """Flags under any of their usual names; `num_attention_groups` are the heads of keys and values."""
        bias = any(config.flag(name) for name in _BIASES)
        more: dict[str, object] = {
            "assumed_attention_bias": bias,
            "assumed_mlp_bias": any(config.flag(name) for name in _MLP_BIASES),
        }
        if not config.has("num_key_value_heads", "num_kv_heads"):
            more["num_key_value_heads"] = config.get("num_attention_groups") or config.get("n_head_kv")
        if not config.has("intermediate_size", "n_inner", "ffn_dim"):
            more["intermediate_size"] = config.get("ffn_hidden_size") or config.get("moe_intermediate_size")
        return overridden(config, **more)

    def qk_norms(self, config: ModelConfig) -> QkNorm:
        """Over all heads where the config speaks of them, the larger form."""
        return "replicated" if any(config.flag(name) for name in _QK_NORMS) else "none"

    def windows(self, config: ModelConfig, dims: Dimensions) -> Sequence[int | None]:
        """Only `layer_types` makes a layer slide: without it keys and values of every token count."""
        return layer_windows(config, dims.num_hidden_layers, absent=none_slides)

    def sparse(self, config: ModelConfig, dims: Dimensions) -> Sequence[bool]:
        """Experts where there is more than one."""
        if not config.has(*self.experts_field) or config.integer(*self.experts_field, low=0) < 2:
            return (False,) * dims.num_hidden_layers
        return super().sparse(config, dims)

    def shared_width(self, config: ModelConfig) -> int:
        """Shared experts as wide as routed ones, or as wide as the config says, whichever is more."""
        count = config.integer(*_SHARED, default=0, low=0)
        own = config.integer(*_SHARED_WIDTHS, default=0, low=0)
        return max(own * max(count, 1), count * self.expert_width(config))

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


def unknown_kind(config: ModelConfig) -> str | None:
    """The first field that standard fields do not explain, None where there is none. Fields that say no do not count."""
    if config.flag("is_encoder_decoder"):
        return "is_encoder_decoder"
    for name, value in config.raw.items():
        if value not in (None, False, 0, "", [], {}) and _UNKNOWN_KINDS.search(name):
            return name
    return None
