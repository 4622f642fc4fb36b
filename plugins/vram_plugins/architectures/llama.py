"""Llama and the dense decoders that differ from it by a bias or a norm."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

from vram import hookimpl
from vram.architecture import Dimensions, decoder, dimensions, gated_mlp, gqa, layer, norms, runs_by_kind
from vram.architecture.attention import QkNorm
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.spec import Layer, ModelSpec


@frozen(kw_only=True)
class Variant:
    """How a Llama-like family differs: the file of vLLM 0.32.0's `model_executor/models` in brackets."""

    architectures: tuple[str, ...]
    qkv_bias: bool | str = False
    out_bias: bool | str = False
    mlp_bias: bool | str = False
    qk_norm: QkNorm = "none"
    tie_default: bool = False
    max_position_default: int = 2048
    head_dim_default: int | None = None
    kv_heads_default: int | None = None
    window: str = "none"
    fused_checkpoint: bool = False


VARIANTS = (
    Variant(  # llama.py
        architectures=("LlamaForCausalLM", "LLaMAForCausalLM"),
        qkv_bias="attention_bias",
        out_bias="attention_bias",
        mlp_bias="mlp_bias",
    ),
    Variant(  # mistral.py; every layer has the window
        architectures=("MistralForCausalLM",),
        max_position_default=131072,
        kv_heads_default=8,
        window="sliding_window",
    ),
    Variant(architectures=("Qwen2ForCausalLM",), qkv_bias=True, max_position_default=32768),  # qwen2.py
    Variant(  # qwen3.py
        architectures=("Qwen3ForCausalLM",),
        qkv_bias="attention_bias",
        qk_norm="head",
        head_dim_default=128,
        max_position_default=32768,
    ),
    Variant(  # phi3.py, a Llama with fused checkpoint names
        architectures=("Phi3ForCausalLM",), max_position_default=4096, fused_checkpoint=True, window="sliding_window"
    ),
)


class LlamaLike(ArchitectureAdapter):
    """A pre-norm decoder of grouped-query attention and SwiGLU."""

    def __init__(self, variant: Variant) -> None:
        self.variant = variant
        self.architectures = variant.architectures
        self.name = variant.architectures[0]

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        variant = self.variant
        dims = dimensions(
            config,
            tie_default=variant.tie_default,
            max_position_default=variant.max_position_default,
            head_dim_default=variant.head_dim_default,
            kv_heads_default=variant.kv_heads_default,
        )
        kinds = ["layer"] * dims.num_hidden_layers
        runs = runs_by_kind(kinds, lambda _: self._layer(config, dims))
        return decoder(config, dims, runs=runs, context=context, max_position_default=variant.max_position_default)

    def _layer(self, config: ModelConfig, dims: Dimensions) -> Layer:
        variant = self.variant
        window = config.integer("sliding_window", default=0, low=0) if variant.window != "none" else 0
        fused = variant.fused_checkpoint
        return layer(
            gqa(
                hidden_size=dims.hidden_size,
                num_heads=dims.num_attention_heads,
                num_kv_heads=dims.num_key_value_heads,
                head_dim=dims.head_dim,
                qkv_bias=_flag(config, variant.qkv_bias),
                out_bias=_flag(config, variant.out_bias),
                qk_norm=variant.qk_norm,
                kind="sliding_window" if window else "full_attention",
                window=window or None,
                sources=("qkv_proj",) if fused else ("q_proj", "k_proj", "v_proj"),
            ),
            gated_mlp(
                hidden_size=dims.hidden_size,
                intermediate_size=dims.intermediate_size,
                bias=_flag(config, variant.mlp_bias),
                sources=("gate_up_proj",) if fused else ("gate_proj", "up_proj"),
            ),
            norms(dims.hidden_size),
        )


def _flag(config: ModelConfig, value: bool | str) -> bool:
    return config.flag(value) if isinstance(value, str) else value


@hookimpl
def vram_architecture_adapters() -> Iterable[ArchitectureAdapter]:
    """Llama, Mistral, Qwen2, Qwen3, Phi-3."""
    return [LlamaLike(variant) for variant in VARIANTS]
