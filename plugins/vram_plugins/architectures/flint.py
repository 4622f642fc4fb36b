"""Flint: Qwen3-MoE with sinks, an ungated shared expert, sliding layers and layers without positions.

Source: vLLM 0.33.0 `models/flint`; defaults are those of its config class. Its layers are FlashInfer's only, which vLLM takes
by itself on Blackwell and elsewhere by `--attention-backend FLASHINFER`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from vram.architecture.attention import QkNorm
from vram.architecture.decoder import Dimensions
from vram.architecture.expert_family import ExpertFamily
from vram.architecture.family import Frame, LayerKind
from vram.architecture.parts import Part
from vram.architecture.placement import layer_windows, none_slides
from vram.architecture.positions import layer_rope
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.config import ModelConfig
from vram.models.parameters import Tensor
from vram.models.record import evolve
from vram.models.spec import LayerRun, ModelSpec

_ROTATES = "rotates"
#: of `FlintBf16DecodeMoE`: its kernels' counters beside two maps of rows
_COUNTERS = 64
_ELSEWHERE = "vLLM serves Flint with FlashInfer alone: on this GPU it needs --attention-backend FLASHINFER."


class Flint(ExpertFamily):
    """Experts in every layer but `mlp_only_layers`; on a single Blackwell GPU small batches have kernels of their own."""

    architectures: tuple[str, ...] = ("FlintForCausalLM",)
    defaults: ClassVar[Mapping[str, object]] = {
        "vocab_size": 150144,
        "hidden_size": 2048,
        "intermediate_size": 6144,
        "num_hidden_layers": 49,
        "num_attention_heads": 32,
        "num_key_value_heads": 4,
        "head_dim": 128,
        "max_position_embeddings": 262144,
        "sliding_window": 513,
        "moe_intermediate_size": 512,
        "shared_expert_intermediate_size": 1024,
        "num_experts": 256,
        "num_experts_per_tok": 6,
    }
    qkv_bias = "attention_bias"
    qk_norm: ClassVar[QkNorm] = "head"
    sinks = True
    scoring = "sigmoid"
    frame = Frame(rope="none")
    shared_width_field = ("shared_expert_intermediate_size",)
    shared_name = "shared_expert"

    def build(self, config: ModelConfig, context: BuildContext) -> ModelSpec:
        """The model as vLLM builds it. Raises ConfigError."""
        spec = super().build(config, context)
        if context.compute_capability[0] != 10:
            return evolve(spec, assumptions=(*spec.assumptions, _ELSEWHERE))
        if context.tensor_parallel_size > 1 or context.quantization is not None:
            return spec
        width = config.integer("moe_intermediate_size", default=512)
        ints = _COUNTERS + 2 * width + spec.hidden_size
        return evolve(spec, runs=tuple(_with_decode_kernels(run, ints) for run in spec.runs))

    def windows(self, config: ModelConfig, dims: Dimensions) -> Sequence[int | None]:
        """Without `layer_types` every layer is full."""
        if not config.flag("use_sliding_window", default=True):
            return (None,) * dims.num_hidden_layers
        return layer_windows(config, dims.num_hidden_layers, absent=none_slides)

    def sparse(self, config: ModelConfig, dims: Dimensions) -> Sequence[bool]:
        """All but `mlp_only_layers`."""
        dense = frozenset(config.integers("mlp_only_layers"))
        return [index not in dense for index in range(dims.num_hidden_layers)]

    def kinds(self, config: ModelConfig, dims: Dimensions) -> Sequence[LayerKind]:
        """Layers of `no_rope_layer_indices` have no table."""
        still = frozenset(config.integers("no_rope_layer_indices"))
        return [
            kind if index in still else evolve(kind, variant=_ROTATES)
            for index, kind in enumerate(super().kinds(config, dims))
        ]

    def attention(self, config: ModelConfig, kind: LayerKind) -> Part:
        """Sinks and the rotary table are in fp32."""
        part = super().attention(config, kind)
        sinks = (evolve(m, dtype="float32") if m.name.endswith("sinks") else m for m in part.modules)
        block = config.sub("rope_parameters")
        table = layer_rope(config, kind.dims, block.raw if block else {}, dtype="float32")
        return Part(modules=(*sinks, *((table,) if kind.variant else ())), caches=part.caches)


def _with_decode_kernels(run: LayerRun, ints: int) -> LayerRun:
    if not any(module.name.endswith("shared_expert.down_proj") for module in run.layer.modules):
        return run
    kept = Tensor(name="mlp.bf16_decode", shape=(ints,), dtype="int32", buffer=True)
    return evolve(run, layer=evolve(run.layer, modules=(*run.layer.modules, kept)))


def adapters() -> Iterable[ArchitectureAdapter]:
    """Flint."""
    return [Flint()]
