"""Attention-free Mamba, Mamba-2 and Falcon-Mamba (vLLM 0.32.0 `model_executor/models/mamba.py`, `mamba2.py`)."""

from __future__ import annotations

from collections.abc import Iterable

from vram.architecture import Dimensions, Part, decoder, layer, norm, runs_by_kind
from vram.architecture.state import mamba1, mamba2
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import ceil_div
from vram.models.spec import ModelSpec

_MAX_LAYERS = 4096


class Mamba(ArchitectureAdapter):
    """A stack of Mamba mixers, each with a norm; nothing else."""

    def __init__(self, name: str, architectures: tuple[str, ...], *, second: bool) -> None:
        self.name = name
        self.architectures = architectures
        self._second = second

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        dims = _dimensions(config, tie=not self._second)
        mixer = _second_mixer(config, dims, context) if self._second else _first_mixer(config, dims)
        return decoder(
            config,
            dims,
            runs=runs_by_kind(
                ["mamba"] * dims.num_hidden_layers,
                lambda _: layer(mixer, norm("norm", dims.hidden_size)),
                prefix="backbone.layers",
            ),
            context=context,
            rope="none",
            prefix="backbone",
            embed_stage="every",
            norm_stage="every",
            head_stage="every",
        )


def _dimensions(config: ModelConfig, *, tie: bool) -> Dimensions:
    hidden = config.integer("hidden_size", default=768 if tie else 4096)
    layers = config.integer("num_hidden_layers", default=32 if tie else 64)
    if layers > _MAX_LAYERS:
        raise config.error("num_hidden_layers", f"is {layers}, more than any model has")
    return Dimensions(
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=0,
        num_key_value_heads=0,
        head_dim=0,
        intermediate_size=config.integer("intermediate_size", default=int(config.number("expand", default=2) * hidden)),
        vocab_size=config.integer("vocab_size", default=50280 if tie else 32768),
        max_position=2048,
        tie_word_embeddings=config.flag("tie_word_embeddings", default=tie),
    )


def _first_mixer(config: ModelConfig, dims: Dimensions) -> Part:
    rank = config.get("time_step_rank")
    falcon = config.string("model_type") == "falcon_mamba"
    return mamba1(
        hidden_size=dims.hidden_size,
        intermediate_size=dims.intermediate_size,
        state_size=config.integer("state_size", default=16),
        conv_kernel=config.integer("conv_kernel", default=4),
        time_step_rank=ceil_div(dims.hidden_size, 16) if rank in (None, "auto") else config.integer("time_step_rank"),
        conv_bias=config.flag("use_conv_bias", default=True),
        proj_bias=config.flag("use_bias"),
        norms=falcon,
        norm_weights=not falcon,
        name="mixer",
    )


def _second_mixer(config: ModelConfig, dims: Dimensions, context: BuildContext) -> Part:
    heads = config.integer("num_heads", default=128)
    return mamba2(
        hidden_size=dims.hidden_size,
        tensor_parallel_size=context.tensor_parallel_size,
        intermediate_size=dims.intermediate_size,
        num_heads=heads,
        head_dim=config.integer("head_dim", default=64),
        state_size=config.integer("state_size", default=128),
        n_groups=config.integer("n_groups", default=8),
        conv_kernel=config.integer("conv_kernel", default=4),
        conv_bias=config.flag("use_conv_bias", default=True),
        proj_bias=config.flag("use_bias"),
    )


def adapters() -> Iterable[ArchitectureAdapter]:
    """Mamba, Falcon-Mamba, Mamba-2."""
    return [
        Mamba("mamba", ("MambaForCausalLM", "FalconMambaForCausalLM"), second=False),
        Mamba("mamba2", ("Mamba2ForCausalLM",), second=True),
    ]
