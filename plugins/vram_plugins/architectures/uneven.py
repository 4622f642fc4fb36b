"""Families whose layers have different numbers of heads: Laguna, MiMo V2, Step 3 and 3.5."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Literal

from attrs import evolve

from vram import hookimpl
from vram.architecture.attention import gqa
from vram.architecture.decoder import Dimensions
from vram.architecture.expert_family import ExpertFamily
from vram.architecture.family import Frame, LayerKind, Names, flag, layer_rope, overridden
from vram.architecture.mlp import gated_mlp
from vram.architecture.parts import Part, bias_free_linear, norm
from vram.architecture.placement import even_slide, expert_layers, layer_windows
from vram.models.adapter import ArchitectureAdapter
from vram.models.config import ModelConfig
from vram.models.parameters import Linear, Split, Tensor


class Laguna(ExpertFamily):
    """vLLM 0.32.0 `laguna.py` (Poolside); heads per layer, a gate beside attention, gate and up kept apart."""

    architectures = ("LagunaForCausalLM",)
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
            evolve(kind, dims=with_heads(config, dims, heads[i], dims.num_key_value_heads)) for i, kind in enumerate(kinds)
        ]

    def windows(self, config: ModelConfig, dims: Dimensions) -> Sequence[int | None]:
        """Without `layer_types` every layer is full."""
        return layer_windows(config, dims.num_hidden_layers, absent=lambda index: False)

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

    architectures = ("MiMoV2FlashForCausalLM", "MiMoV2ForCausalLM")
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
            return layer_windows(overridden(config, sliding_window=window), dims.num_hidden_layers, absent=lambda i: False)
        pattern = config.integers("hybrid_layer_pattern")
        if len(pattern) < dims.num_hidden_layers:
            raise config.error("hybrid_layer_pattern", f"has {len(pattern)} entries for {dims.num_hidden_layers} layers")
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


class Step3p5(ExpertFamily):
    """`step3p5.py`; sliding layers may have other heads, a gate per head, a router in fp32."""

    architectures = ("Step3p5ForCausalLM",)
    defaults: ClassVar[Mapping[str, object]] = {
        "num_attention_groups": 8,
        "moe_num_experts": 16,
        "moe_top_k": 4,
        "moe_intermediate_size": 10240,
        "use_moe_router_bias": True,
    }
    qkv_bias = "attention_bias"
    qk_norm = "head"
    frame = Frame(rope="none")
    block = "moe"
    router_dtype = "float32"
    correction_bias = "use_moe_router_bias"
    shared_name = "share_expert"

    def prepare(self, config: ModelConfig) -> ModelConfig:
        """`num_attention_groups` are the heads of keys and values."""
        length = config.integer("max_position_embeddings", "max_seq_len", default=4096)
        groups = config.integer("num_attention_groups")
        return overridden(config, num_key_value_heads=groups, max_position_embeddings=length)

    def kinds(self, config: ModelConfig, dims: Dimensions) -> Sequence[LayerKind]:
        """`attention_other_setting` has the heads of the layers of its type; rotary blocks differ by layer."""
        other = config.sub("attention_other_setting")
        sliding = other is not None and other.string("attention_type") == "sliding_attention"
        own = dims
        if other is not None:
            head_dim = other.integer("head_dim", default=dims.head_dim)
            heads, groups = other.integer("num_attention_heads"), other.integer("num_attention_groups")
            own = evolve(with_heads(config, dims, heads, groups), head_dim=head_dim)
        kinds = []
        for index, kind in enumerate(super().kinds(config, dims)):
            uses_own = other is not None and config.has("layer_types") and (kind.window is not None) == sliding
            theta, partial = _entry(config, "rope_theta", index, 10000.0), _entry(config, "partial_rotary_factors", index, 1.0)
            kinds.append(evolve(kind, dims=own if uses_own else dims, variant=f"{theta} {partial}"))
        return kinds

    def windows(self, config: ModelConfig, dims: Dimensions) -> Sequence[int | None]:
        """Without `layer_types` layers 0, 2, 4 ... slide."""
        return layer_windows(config, dims.num_hidden_layers, absent=even_slide)

    def sparse(self, config: ModelConfig, dims: Dimensions) -> Sequence[bool]:
        """`moe_layers_enum` lists them; without it all but the first."""
        return _enumerated(config, dims)

    def shared_width(self, config: ModelConfig) -> int:
        """`share_expert_dim`."""
        default = config.integer("moe_intermediate_size") * config.integer("moe_top_k")
        return config.integer("share_expert_dim", default=default)

    def attention(self, config: ModelConfig, kind: LayerKind) -> Part:
        """Attention, its gate and its rotary table."""
        part, dims = super().attention(config, kind), kind.dims
        theta, partial = (float(number) for number in kind.variant.split())
        scaling = config.sub("rope_scaling")
        only = config.strings("yarn_only_types")
        name = "sliding_attention" if kind.window else "full_attention"
        raw = dict(scaling.raw) if scaling is not None and (not only or name in only) else {}
        block = {"rope_type": "default", **raw, "rope_theta": theta, "partial_rotary_factor": partial}
        modules = [*part.modules, layer_rope(config, dims, block)]
        if config.flag("use_head_wise_attn_gate"):
            modules.append(bias_free_linear("self_attn.g_proj", dims.hidden_size, dims.num_attention_heads))
        return Part(modules=tuple(modules), caches=part.caches)


class Step3(ExpertFamily):
    """`step3_text.py`; queries of a small width are widened to all heads after a norm (multi-matrix factorization)."""

    architectures = ("Step3TextForCausalLM",)
    defaults: ClassVar[Mapping[str, object]] = {
        "num_attention_groups": 1,
        "head_dim": 256,
        "share_q_dim": 2048,
        "moe_num_experts": 48,
        "moe_top_k": 3,
        "moe_intermediate_size": 5120,
        "share_expert_dim": 5120,
        "moe_layers_enum": ",".join(str(i) for i in range(4, 60)),
        "max_position_embeddings": 65536,
    }
    block = "moe"

    def prepare(self, config: ModelConfig) -> ModelConfig:
        """One head of keys and values, or a few."""
        return overridden(config, num_key_value_heads=config.integer("num_attention_groups"))

    def rope(self, config: ModelConfig, dims: Dimensions) -> Literal["auto", "none"] | tuple[Tensor, ...]:
        """The table has the length of a field by another name, `max_position_embedding`."""
        length = config.integer("max_position_embedding", default=65536)
        ropes = config.sub("rope_parameters", "rope_scaling")
        return (layer_rope(config, evolve(dims, max_position=length), ropes.raw if ropes else {}),)

    def sparse(self, config: ModelConfig, dims: Dimensions) -> Sequence[bool]:
        """`moe_layers_enum` lists them."""
        return _enumerated(config, dims)

    def attention(self, config: ModelConfig, kind: LayerKind) -> Part:
        """q of `share_q_dim`, k and v of one head each, whole on every rank; wq widens q, column-parallel."""
        dims, width = kind.dims, config.integer("share_q_dim")
        plain = super().attention(config, kind)
        down = Linear(
            name="self_attn.qkv_proj",
            inputs=dims.hidden_size,
            outputs=(Split(size=width), Split(size=dims.head_dim), Split(size=dims.head_dim)),
            parallel="replicated",
            sources=("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        )
        heads = dims.num_attention_heads
        widen = Linear(
            name="self_attn.wq",
            inputs=width,
            outputs=(Split(size=heads * dims.head_dim, units=heads),),
            sources=("self_attn.wq",),
        )
        return Part(modules=(down, widen, norm("self_attn.inter_norm", width), *plain.modules[1:]), caches=plain.caches)

    def shared_width(self, config: ModelConfig) -> int:
        """The shared expert stands outside of the block (`feed_forward`)."""
        del config
        return 0

    def feed_forward(self, config: ModelConfig, kind: LayerKind) -> Part:
        """Experts and the shared one beside them."""
        part = super().feed_forward(config, kind)
        if not kind.sparse:
            return part
        shared = gated_mlp(
            hidden_size=kind.dims.hidden_size,
            intermediate_size=config.integer("share_expert_dim"),
            name="share_expert",
        )
        return Part(modules=(*part.modules, *shared.modules))


def with_heads(config: ModelConfig, dims: Dimensions, heads: int, kv_heads: int) -> Dimensions:
    """The dimensions with other heads. Raises ConfigError when they do not divide."""
    if heads < 1 or kv_heads < 1 or heads % kv_heads:
        raise config.error("num_attention_heads", f"is {heads} on some layers, which {kv_heads} key heads do not divide")
    return evolve(dims, num_attention_heads=heads, num_key_value_heads=kv_heads)


def _enumerated(config: ModelConfig, dims: Dimensions) -> Sequence[bool]:
    layers = dims.num_hidden_layers
    text = config.string("moe_layers_enum")
    if not text:
        return expert_layers(config, layers, dense_first=1)
    places = {part.strip() for part in text.split(",")}
    return [str(index) in places for index in range(layers)]


def _entry(config: ModelConfig, name: str, index: int, default: float) -> float:
    values = config.get(name)
    if not isinstance(values, list):
        return config.number(name, default=default)
    value = values[index] if index < len(values) else default
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise config.error(name, "must be a list of numbers")
    return float(value)


def _ungated(part: Part) -> Part:
    """Two linears where others have gate and up in one."""
    modules = []
    for module in part.modules:
        if isinstance(module, Linear) and module.name.endswith(".gate_up_proj"):
            for source, output in zip(module.sources, module.outputs, strict=True):
                modules.append(evolve(module, name=source, outputs=(output,), sources=(source,)))
        else:
            modules.append(module)
    return Part(modules=tuple(modules), caches=part.caches)


@hookimpl
def vram_architecture_adapters() -> Iterable[ArchitectureAdapter]:
    """Laguna, MiMo V2, Step 3.5, Step 3."""
    return [Laguna(), MiMoV2(), Step3p5(), Step3()]
