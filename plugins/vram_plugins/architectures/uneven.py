"""Families whose layers have different numbers of heads: Laguna and MiMo V2."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from vram.architecture.attention import gqa
from vram.architecture.decoder import Dimensions
from vram.architecture.expert_family import ExpertFamily
from vram.architecture.family import Frame, LayerKind, flag
from vram.architecture.parts import Part, bias_free_linear
from vram.architecture.placement import layer_windows, none_slides
from vram.architecture.positions import layer_rope
from vram.architecture.reading import overridden
from vram.models.adapter import ArchitectureAdapter
from vram.models.config import ModelConfig
from vram.models.parameters import Linear, Module, Tensor
from vram.models.record import evolve


class Laguna(ExpertFamily):
    """vLLM 0.32.0 `laguna.py` (Poolside); heads per layer, a gate beside attention, gate and up kept apart."""

    architectures: tuple[str, ...] = ("LagunaForCausalLM",)
    defaults: ClassVar[Mapping[str, object]] = {
        "head_dim": 128,
        "num_key_value_heads": 8,
        "num_experts": 256,
        "num_experts_per_tok": 8,
        "moe_intermediate_size": 512,
        "shared_expert_intermediate_size": 512,
        "sliding_window": 512,
        "gating": True,
        "max_position_embeddings": 131072,
        "rope_parameters": {
            "full_attention": {"rope_type": "default", "rope_theta": 500000.0, "partial_rotary_factor": 0.5},
            "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 1.0},
        },
    }
    qkv_bias = "attention_bias"
    out_bias = "attention_bias"
    qk_norm = "head"
    frame = Frame(rope="none")
    shared_width_field = ("shared_expert_intermediate_size",)
    shared_name = "shared_expert"
    correction_bias = True
    renormalize_field = ()
    grouped = False
    dense_first = 1

    def kinds(self, config: ModelConfig, dims: Dimensions) -> Sequence[LayerKind]:
        """`num_attention_heads_per_layer` gives each layer its heads. Raises ConfigError when it is too short."""
        kinds = super().kinds(config, dims)
        heads = config.integers("num_attention_heads_per_layer")
        if not heads:
            return kinds
        if len(heads) < len(kinds):
            raise config.error("num_attention_heads_per_layer", f"has {len(heads)} entries for {len(kinds)} layers")
        return [
            evolve(kind, dims=with_heads(config, dims, heads[i], dims.num_key_value_heads))
            for i, kind in enumerate(kinds)
        ]

    def windows(self, config: ModelConfig, dims: Dimensions) -> Sequence[int | None]:
        """Without `layer_types` every layer is full."""
        return layer_windows(config, dims.num_hidden_layers, absent=none_slides)

    def attention(self, config: ModelConfig, kind: LayerKind) -> Part:
        """One gate per head (True or "per-head") or per channel; sinks on sliding layers if the config has them."""
        part, dims = super().attention(config, kind), kind.dims
        modules = [*part.modules, self._rope(config, kind)]
        gating = config.get("gating")
        if gating:
            width = dims.num_attention_heads * (1 if gating in (True, "per-head") else dims.head_dim)
            modules.append(bias_free_linear("self_attn.g_proj", dims.hidden_size, width))
        if kind.window and config.flag("swa_attention_sink_enabled"):
            heads = dims.num_attention_heads
            modules.append(Tensor(name="self_attn.sink", shape=(heads,), sharded_units=heads))
        return Part(modules=tuple(modules), caches=part.caches)

    def dense(self, config: ModelConfig, hidden_size: int, intermediate_size: int) -> Part:
        """Gate and up are two linears."""
        return _ungated(super().dense(config, hidden_size, intermediate_size))

    def experts(self, config: ModelConfig, kind: LayerKind) -> Part:
        """The shared expert's gate and up are two linears as well."""
        return _ungated(super().experts(config, kind))

    def _rope(self, config: ModelConfig, kind: LayerKind) -> Tensor:
        blocks = config.sub("rope_parameters")
        nested = blocks is not None and blocks.has("full_attention", "sliding_attention")
        name = "sliding_attention" if kind.window else "full_attention"
        block = (blocks.sub(name) or blocks.sub("full_attention")) if blocks and nested else blocks
        if kind.window and config.has("swa_rope_parameters"):
            block = config.sub("swa_rope_parameters")
        raw = dict(block.raw) if block else {}
        partial = config.number("partial_rotary_factor", default=1.0)
        return layer_rope(config, kind.dims, {"rope_type": "default", "partial_rotary_factor": partial, **raw})


class MiMoV2(ExpertFamily):
    """`mimo_v2.py` (Xiaomi); sliding layers have dimensions of their own, values narrower than keys."""

    architectures: tuple[str, ...] = ("MiMoV2FlashForCausalLM", "MiMoV2ForCausalLM")
    ties = "never"
    defaults: ClassVar[Mapping[str, object]] = {
        "num_key_value_heads": 4,
        "head_dim": 192,
        "n_routed_experts": 256,
        "num_experts_per_tok": 8,
        "moe_intermediate_size": 2048,
        "moe_router_dtype": "float32",
        "max_position_embeddings": 131072,
    }
    qkv_bias = "attention_bias"
    frame = Frame(rope="none")
    shared = ("n_shared_experts_in_vllm",)  # vLLM builds none, whatever the config says
    correction_bias = True
    dense_first = 1

    def router_dtypes(self, config: ModelConfig) -> str | None:
        """`moe_router_dtype`."""
        return config.string("moe_router_dtype", default="float32").removeprefix("torch.")

    def windows(self, config: ModelConfig, dims: Dimensions) -> Sequence[int | None]:
        """`hybrid_layer_pattern` has a 1 for each sliding layer. Raises ConfigError when it is too short."""
        window = config.integer("sliding_window_size", "sliding_window", default=0, low=0) or None
        if not config.has("hybrid_layer_pattern"):
            return layer_windows(overridden(config, sliding_window=window), dims.num_hidden_layers, absent=none_slides)
        pattern = config.integers("hybrid_layer_pattern")
        if len(pattern) < dims.num_hidden_layers:
            raise config.error(
                "hybrid_layer_pattern", f"has {len(pattern)} entries for {dims.num_hidden_layers} layers"
            )
        return [window if pattern[i] == 1 else None for i in range(dims.num_hidden_layers)]

    def attention(self, config: ModelConfig, kind: LayerKind) -> Part:
        """Heads and their widths from the `swa_` fields on sliding layers."""
        dims = kind.dims
        swa = "swa_" if kind.window else ""
        head_dim = config.integer(f"{swa}head_dim", "head_dim")
        theta = config.number(f"{swa}rope_theta", "rope_theta", default=1000000.0)
        partial = config.number("partial_rotary_factor", default=1.0)
        block = {"rope_type": "default", "rope_theta": theta, "partial_rotary_factor": partial}
        part = gqa(
            hidden_size=dims.hidden_size,
            num_heads=config.integer(f"{swa}num_attention_heads", "num_attention_heads"),
            num_kv_heads=config.integer(f"{swa}num_key_value_heads", "num_key_value_heads"),
            head_dim=head_dim,
            head_dim_v=config.integer(f"{swa}v_head_dim", default=head_dim),
            qkv_bias=flag(config, self.qkv_bias),
            kind="sliding_window" if kind.window else "full_attention",
            window=kind.window,
            sinks=bool(kind.window) and config.flag("add_swa_attention_sink_bias"),
        )
        rope = layer_rope(config, evolve(dims, head_dim=head_dim), block)
        return Part(modules=(*part.modules, rope), caches=part.caches)


def with_heads(config: ModelConfig, dims: Dimensions, heads: int, kv_heads: int) -> Dimensions:
    """The dimensions with other heads. Raises ConfigError when they do not divide."""
    if heads < 1 or kv_heads < 1 or heads % kv_heads:
        raise config.error(
            "num_attention_heads", f"is {heads} on some layers, which {kv_heads} key heads do not divide"
        )
    return evolve(dims, num_attention_heads=heads, num_key_value_heads=kv_heads)


def _ungated(part: Part) -> Part:
    """Two linears where others have gate and up in one."""
    modules: list[Module] = []
    for module in part.modules:
        if isinstance(module, Linear) and module.name.endswith(".gate_up_proj"):
            for source, output in zip(module.sources, module.outputs, strict=True):
                modules.append(evolve(module, name=source, outputs=(output,), sources=(source,)))
        else:
            modules.append(module)
    return Part(modules=tuple(modules), caches=part.caches)


def adapters() -> Iterable[ArchitectureAdapter]:
    """Laguna, MiMo V2."""
    return [Laguna(), MiMoV2()]
