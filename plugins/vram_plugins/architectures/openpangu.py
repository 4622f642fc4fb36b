"""openPangu, dense and with experts: one decoder layer whose config chooses among three kinds of attention.

Source: vLLM 0.33.0 `openpangu.py:OpenPanguDecoderLayer`, `attention/static_sink_attention.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Literal

from vram.architecture.attention import kv_scales
from vram.architecture.decoder import Dimensions
from vram.architecture.expert_family import ExpertFamily
from vram.architecture.family import LayerKind
from vram.architecture.parts import Part, norms
from vram.architecture.reading import overridden
from vram.errors import ArchitectureError
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.cache import AttentionCache
from vram.models.config import ModelConfig
from vram.models.parameters import Linear, Split, Tensor
from vram.models.spec import Draft, ModelSpec
from vram.vllm.rope import rope_table
from vram_plugins.architectures.deepseek import OPENPANGU, DeepSeekLike

_LATENT_FIELDS = ("qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim", "kv_lora_rank")


class OpenPangu(ExpertFamily):
    """Grouped-query attention, the same with learned sink tokens, or latent attention where all its fields are given."""

    architectures: tuple[str, ...] = (
        "PanguEmbeddedForCausalLM",
        "PanguProMoEV2ForCausalLM",
        "PanguUltraMoEForCausalLM",
    )
    defaults: ClassVar[Mapping[str, object]] = {"max_position_embeddings": 8192}
    asks_causal = True
    qkv_bias = "qkv_bias"
    out_bias = "attention_bias"
    mlp_bias = "mlp_bias"
    correction_bias = "router_enable_expert_bias"

    def __init__(self) -> None:
        super().__init__()
        self._latent = DeepSeekLike(OPENPANGU)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError, ArchitectureError."""
        return self._latent.build(config, context) if _is_latent(config) else super().build(config, context)

    def draft(self, config: ModelConfig, context: BuildContext) -> Draft:
        """The prediction layers, which have latent attention. Raises ArchitectureError."""
        return self._latent.draft(config, context)

    def prepare(self, config: ModelConfig) -> ModelConfig:
        """`bias` is another name of `attention_bias`; `qkv_bias`, where present, speaks for q, k and v alone."""
        if _sinks(config) and not config.flag("is_causal", default=True):
            raise ArchitectureError(architecture=config.architecture, problem="with sink tokens cannot look both ways")
        bias = config.flag("attention_bias") or config.flag("bias")
        qkv = config.flag("qkv_bias") if "qkv_bias" in config.raw else bias
        return overridden(config, attention_bias=bias, qkv_bias=qkv)

    def sparse(self, config: ModelConfig, dims: Dimensions) -> Sequence[bool]:
        """Experts after `first_k_dense_replace` layers, none without `n_routed_experts`."""
        first = config.integer("first_k_dense_replace", default=0, low=0)
        return [config.has("n_routed_experts") and index >= first for index in range(dims.num_hidden_layers)]

    def windows(self, config: ModelConfig, dims: Dimensions) -> Sequence[int | None]:
        """`interleaved_sliding_window` is one window or a cycle of them; layers with sinks keep every token."""
        given = config.get("interleaved_sliding_window")
        if _sinks(config):
            return (None,) * dims.num_hidden_layers
        if given is None:
            return super().windows(config, dims)
        cycle = given if isinstance(given, list | tuple) else (given,)
        return [int(cycle[i % len(cycle)]) or None if cycle else None for i in range(dims.num_hidden_layers)]

    def attention(self, config: ModelConfig, kind: LayerKind) -> Part:
        """With `param_sink_number` the heads are as wide as three fields of their own say."""
        return _sink_attention(config, kind.dims) if _sinks(config) else super().attention(config, kind)

    def rope(self, config: ModelConfig, dims: Dimensions) -> Literal["auto", "none"] | tuple[Tensor, ...]:
        """Sink attention rotates `qk_rope_dim` of a head, whatever scaling the config asks for."""
        if not _sinks(config):
            return "auto"
        return (rope_table(None, head_dim=config.integer("qk_rope_dim"), max_position=dims.max_position),)

    def experts(self, config: ModelConfig, kind: LayerKind) -> Part:
        """Shared experts have no bias, whatever dense layers have."""
        return super().experts(overridden(config, mlp_bias=False), kind)

    def norms(self, config: ModelConfig, kind: LayerKind) -> tuple[Tensor, ...]:
        """`sandwich_norm` adds two."""
        more = norms(kind.dims.hidden_size, "pre_mlp_layernorm", "post_mlp_layernorm")
        return (*super().norms(config, kind), *(more if config.flag("sandwich_norm") else ()))


def _is_latent(config: ModelConfig) -> bool:
    return all(name in config.raw for name in _LATENT_FIELDS)


def _sinks(config: ModelConfig) -> int:
    return config.integer("param_sink_number", default=0, low=0)


def _sink_attention(config: ModelConfig, dims: Dimensions) -> Part:
    """`OpenPanguSinkAttention`: keys, and values of `v_channels`, of `param_sink_number` learned tokens per head.

    Its heads of keys and values are never repeated over ranks. Their values are a parameter or, all zero, a buffer.
    """
    key = config.integer("qk_nope_dim") + config.integer("qk_rope_dim")
    value = config.integer("v_channels")
    heads, kv_heads, sinks = dims.num_attention_heads, dims.num_key_value_heads, _sinks(config)
    name = "self_attn"
    return Part(
        modules=(
            Linear(
                name=f"{name}.qkv_proj",
                inputs=dims.hidden_size,
                outputs=(
                    Split(size=heads * key, units=heads),
                    Split(size=kv_heads * key, units=kv_heads, repeated=False),
                    Split(size=kv_heads * value, units=kv_heads, repeated=False),
                ),
                bias=config.flag("qkv_bias"),
                sources=tuple(f"{name}.{part}" for part in ("q_proj", "k_proj", "v_proj")),
            ),
            Linear(
                name=f"{name}.o_proj",
                inputs=heads * value,
                outputs=(Split(size=dims.hidden_size),),
                parallel="row",
                bias=config.flag("attention_bias"),
                sources=(f"{name}.o_proj",),
            ),
            Tensor(name=f"{name}.k_layernorm", shape=(key,)),
            Tensor(name=f"{name}.param_sink_key", shape=(sinks, kv_heads, key), sharded_units=kv_heads),
            Tensor(
                name=f"{name}.param_sink_value",
                shape=(sinks, kv_heads, value),
                sharded_units=kv_heads,
                buffer=not config.flag("param_sink_with_value"),
            ),
            kv_scales(),
        ),
        caches=(AttentionCache(kind="full_attention", num_kv_heads=kv_heads, head_size=key, head_size_v=value),),
    )


def adapters() -> Iterable[ArchitectureAdapter]:
    """openPangu Embedded, Pro and Ultra."""
    return [OpenPangu()]
