"""StepFun's Step 3 and Step 3.5."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Literal

from vram.architecture.decoder import Dimensions
from vram.architecture.expert_family import ExpertFamily
from vram.architecture.family import Frame, LayerKind
from vram.architecture.mlp import gated_mlp
from vram.architecture.parts import Part, bias_free_linear, norm
from vram.architecture.placement import even_slide, expert_layers, layer_windows
from vram.architecture.positions import layer_rope
from vram.architecture.reading import overridden
from vram.models.adapter import ArchitectureAdapter
from vram.models.config import ModelConfig
from vram.models.parameters import Experts, Linear, Split, Tensor
from vram.models.record import evolve
from vram_plugins.architectures.uneven import with_heads

_CLAMPED = "clamped"


class Step3p5(ExpertFamily):
    """`step3p5.py`; sliding layers may have other heads, a gate per head, a router in fp32."""

    architectures: tuple[str, ...] = ("Step3p5ForCausalLM",)
    ties = "never"
    defaults: ClassVar[Mapping[str, object]] = {
        "num_attention_groups": 8,
        "moe_num_experts": 16,
        "moe_top_k": 4,
        "moe_intermediate_size": 10240,
        "use_moe_router_bias": True,
    }
    qkv_bias = "attention_bias"
    qk_norm = "head"
    frame = Frame(rope="none", renames=(("*.share_expert.", ".moe.share_expert."),))
    block = "moe"
    router_dtype = "float32"
    correction_bias = "use_moe_router_bias"
    renormalize_field = ("norm_expert_weight",)
    grouped = False
    shared_name = "share_expert"

    def prepare(self, config: ModelConfig) -> ModelConfig:
        """`num_attention_groups` are the heads of keys and values; `rope_theta` may have one entry per layer."""
        return overridden(
            config,
            num_key_value_heads=config.integer("num_attention_groups"),
            max_position_embeddings=config.integer("max_position_embeddings", "max_seq_len", default=4096),
            rope_theta=_entry(config, "rope_theta", 0, 500000.0),
            rope_thetas=config.get("rope_theta"),
        )

    def kinds(self, config: ModelConfig, dims: Dimensions) -> Sequence[LayerKind]:
        """`attention_other_setting` has the heads of the layers of its type; rotary blocks differ by layer."""
        other = config.sub("attention_other_setting")
        sliding = other is not None and other.string("attention_type") == "sliding_attention"
        own = dims
        if other is not None:
            head_dim = other.integer("head_dim", default=dims.head_dim)
            heads, groups = other.integer("num_attention_heads"), other.integer("num_attention_groups")
            own = evolve(with_heads(config, dims, heads, groups), head_dim=head_dim)
        kinds, limits = [], config.items("swiglu_limits")
        for index, kind in enumerate(super().kinds(config, dims)):
            uses_own = other is not None and config.has("layer_types") and (kind.window is not None) == sliding
            rope = (
                _entry(config, "rope_thetas", index, 500000.0),
                _entry(config, "partial_rotary_factors", index, 1.0),
            )
            clamped = index < len(limits) and limits[index] not in (None, 0)
            variant = _CLAMPED if clamped else kind.variant
            kinds.append(evolve(kind, dims=own if uses_own else dims, rope=rope, variant=variant))
        return kinds

    def windows(self, config: ModelConfig, dims: Dimensions) -> Sequence[int | None]:
        """Without `layer_types` layers 0, 2, 4 ... slide."""
        return layer_windows(config, dims.num_hidden_layers, absent=even_slide)

    def experts(self, config: ModelConfig, kind: LayerKind) -> Part:
        """Layers with an entry in `swiglu_limits` clamp, which is another activation to vLLM."""
        part = super().experts(config, kind)
        if kind.variant != _CLAMPED:
            return part
        clamped = (evolve(m, activation="swiglustep") if isinstance(m, Experts) else m for m in part.modules)
        return evolve(part, modules=tuple(clamped))

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
        theta, partial = kind.rope
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

    architectures: tuple[str, ...] = ("Step3TextForCausalLM",)
    ties = "never"
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
    renormalize_field = ("norm_expert_weight",)
    renormalized = False

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


def adapters() -> Iterable[ArchitectureAdapter]:
    """Step 3.5, Step 3."""
    return [Step3p5(), Step3()]
