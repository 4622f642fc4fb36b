"""AliceAI: Kimi delta attention with Qwen3-Next's attention now and then, experts, residuals of residuals.

Source: vLLM 0.33.0 `alice_ai.py`. It refuses pipeline parallelism.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import Dimensions, Part, decoder, dimensions, gqa, layer, moe, norms, runs_by_kind
from vram.architecture.linear_state import kda
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Tensor
from vram.models.record import evolve
from vram.models.spec import Layer, ModelSpec
from vram_plugins.architectures.qwen3_next import attention_layers, partial_table


class AliceAI(ArchitectureAdapter):
    """Every layer has experts; its residual is a mixture of earlier ones, by a row and a norm for each half."""

    name = "alice_ai"
    architectures = ("AliceAIForCausalLM",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        dims = dimensions(config, max_position_default=32768, head_dim_default=config.integer("head_dim", default=256))
        dims = evolve(dims, tie_word_embeddings=False)  # vLLM never ties it
        kinds = [(full, index > 0) for index, full in enumerate(attention_layers(config, dims.num_hidden_layers))]
        return decoder(
            config,
            dims,
            runs=runs_by_kind(kinds, lambda kind: _layer(config, dims, context, full=kind[0], later=kind[1])),
            context=context,
            extra=(("every", Tensor(name="model.attnres_final", shape=(2, dims.hidden_size))),),
            rope="none",
        )


def _layer(config: ModelConfig, dims: Dimensions, context: BuildContext, *, full: bool, later: bool) -> Layer:
    mixer = _attention(config, dims) if full else _delta(config, dims, context)
    width = dims.hidden_size
    residuals = [Tensor(name="mlp_res", shape=(2, width))]
    if later:
        residuals.append(Tensor(name="attn_res", shape=(2, width)))
    return layer(mixer, _experts(config, dims), norms(width), residuals)


def _attention(config: ModelConfig, dims: Dimensions) -> Part:
    part = gqa(
        hidden_size=dims.hidden_size,
        num_heads=dims.num_attention_heads,
        num_kv_heads=dims.num_key_value_heads,
        head_dim=dims.head_dim,
        qk_norm="head",
        query_factor=2,
    )
    return Part(modules=(*part.modules, partial_table(config, dims)), caches=part.caches)


def _delta(config: ModelConfig, dims: Dimensions, context: BuildContext) -> Part:
    return kda(
        hidden_size=dims.hidden_size,
        num_heads=config.integer("linear_num_key_heads"),
        head_dim=config.integer("linear_key_head_dim"),
        conv_kernel=config.integer("linear_conv_kernel_dim", default=4),
        tensor_parallel_size=context.tensor_parallel_size,
        name="linear_attn",
    )


def _experts(config: ModelConfig, dims: Dimensions) -> Part:
    shared = config.integer("shared_expert_intermediate_size", default=0, low=0)
    return moe(
        hidden_size=dims.hidden_size,
        num_experts=config.integer("num_experts"),
        intermediate_size=config.integer("moe_intermediate_size"),
        top_k=config.integer("num_experts_per_tok"),
        correction_bias=True,
        shared_intermediate=shared,
        shared_gate=True,
        shared_name="shared_expert",
    )


def adapters() -> Iterable[ArchitectureAdapter]:
    """AliceAI."""
    return [AliceAI()]
