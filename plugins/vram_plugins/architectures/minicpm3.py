"""MiniCPM3: latent projections, but plain attention over full keys (vLLM 0.32.0 `model_executor/models/minicpm3.py`)."""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import Dimensions, decoder, dimensions, gated_mlp, layer, norms, runs_by_kind
from vram.architecture.latent import mla
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.spec import Layer, ModelSpec

_MAX_POSITION = 32768


class MiniCPM3(ArchitectureAdapter):
    """MiniCPM3."""

    name = "minicpm3"
    architectures = ("MiniCPM3ForCausalLM",)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        rotary = config.integer("qk_rope_head_dim", default=32)
        dims = dimensions(
            config,
            max_position_default=_MAX_POSITION,
            head_dim_default=rotary,
            head_dim_from_config=False,
            tie_default=True,
        )
        return decoder(
            config,
            dims,
            runs=runs_by_kind(["layer"] * dims.num_hidden_layers, lambda _: _layer(config, dims)),
            context=context,
            rope_dim=rotary,
            max_position_default=_MAX_POSITION,
            embed_stage="every",
            norm_stage="every",
            head_stage="every",
        )


def _layer(config: ModelConfig, dims: Dimensions) -> Layer:
    return layer(
        mla(
            hidden_size=dims.hidden_size,
            num_heads=dims.num_attention_heads,
            q_lora_rank=config.integer("q_lora_rank", default=768),
            kv_lora_rank=config.integer("kv_lora_rank", default=256),
            qk_nope_head_dim=config.integer("qk_nope_head_dim", default=64),
            qk_rope_head_dim=config.integer("qk_rope_head_dim", default=32),
            v_head_dim=config.integer("v_head_dim", default=64),
            absorbed=False,
        ),
        gated_mlp(hidden_size=dims.hidden_size, intermediate_size=dims.intermediate_size),
        norms(dims.hidden_size),
    )


def adapters() -> Iterable[ArchitectureAdapter]:
    """MiniCPM3."""
    return [MiniCPM3()]
