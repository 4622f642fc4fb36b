"""HRM-Text: two stacks of layers, the fast one run `L_cycles` times for each of the slow one's `H_cycles`.

Source: vLLM 0.33.0 `hrm_text.py`; defaults are transformers' HrmTextConfig's. Refused with pipeline parallelism.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from vram.architecture import DecoderFamily, Dimensions, Frame, LayerKind, Names, Part, kv_scales
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.cache import AttentionCache
from vram.models.config import ModelConfig
from vram.models.parameters import Linear, Module, Split, Stage, Tensor
from vram.models.record import evolve
from vram.models.spec import OWN_LAYERS, ModelSpec

_MOST_CYCLES = 64  # more than any model has; a config that says more is broken


class HrmText(DecoderFamily):
    """Multi-head attention with a gate as wide as the queries; norms without weights; a cache for every pass of a layer."""

    architectures: tuple[str, ...] = ("HrmTextForCausalLM",)
    defaults: ClassVar[Mapping[str, object]] = {
        "vocab_size": 151808,
        "hidden_size": 1536,
        "intermediate_size": 4096,
        "num_hidden_layers": 16,
        "num_attention_heads": 12,
        "max_position_embeddings": 2048,
        "head_dim": 128,
        "H_cycles": 2,
        "L_cycles": 3,
    }
    names = Names(norms=())
    frame = Frame(final_norm=False)
    mlp_bias = "mlp_bias"

    def prepare(self, config: ModelConfig) -> ModelConfig:
        """Layers that hold weights, of both stacks; a file without `num_layers_per_stack` counts one stack's."""
        layers = config.integer("num_layers_per_stack", default=config.integer("num_hidden_layers"))
        raw = {**config.raw, "num_hidden_layers": 2 * layers, "num_key_value_heads": None}
        return ModelConfig(raw=raw, path=config.path, section=config.section)

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it: a layer runs several times, and `num_hidden_layers` counts every pass."""
        spec = super().build(config, context)
        return evolve(spec, hints=spec.hints | {OWN_LAYERS})

    def kinds(self, config: ModelConfig, dims: Dimensions) -> Sequence[LayerKind]:
        """The fast stack, then the slow one."""
        del config
        each = dims.num_hidden_layers // 2
        return [LayerKind(dims=dims, variant=stack) for stack in ("fast", "slow") for _ in range(each)]

    def attention(self, config: ModelConfig, kind: LayerKind) -> Part:
        """Gate, queries, keys and values in one linear; scales and a cache for each pass."""
        slow, fast = config.integer("H_cycles"), config.integer("L_cycles")
        passes = slow if kind.variant == "slow" else slow * fast
        if passes > _MOST_CYCLES**2:
            raise config.error("H_cycles", f"makes {passes} passes of a layer, more than any model has")
        dims, bias = kind.dims, config.flag("attention_bias")
        heads = Split(size=dims.num_attention_heads * dims.head_dim, units=dims.num_attention_heads, repeated=False)
        modules: tuple[Module, ...] = (
            Linear(
                name="self_attn.gqkv_proj",
                inputs=dims.hidden_size,
                outputs=(heads,) * 4,
                bias=bias,
                sources=("attn.gqkv_proj",),
            ),
            Linear(
                name="self_attn.o_proj",
                inputs=heads.size,
                outputs=(Split(size=dims.hidden_size),),
                parallel="row",
                bias=bias,
                sources=("attn.o_proj",),
            ),
            evolve(kv_scales(), count=passes),
        )
        cache = AttentionCache(
            kind="full_attention",
            num_kv_heads=dims.num_attention_heads,
            head_size=dims.head_dim,
            head_size_v=dims.head_dim,
        )
        return Part(modules=modules, caches=(cache,) * passes)

    def outside(self, config: ModelConfig, dims: Dimensions) -> Iterable[tuple[Stage, Module]]:
        """The fast stack's first state."""
        del config
        yield "first", Tensor(name="model.z_L_init", shape=(dims.hidden_size,))


def adapters() -> Iterable[ArchitectureAdapter]:
    """HRM-Text."""
    return [HrmText()]
