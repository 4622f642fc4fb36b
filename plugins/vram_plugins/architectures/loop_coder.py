"""IQuest's loop coder: every layer runs several times, each time with a cache of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from vram.architecture.attention import kv_scales
from vram.architecture.decoder import Dimensions
from vram.architecture.family import LayerKind
from vram.architecture.parts import Part
from vram.architecture.placement import layer_windows, none_slides
from vram.models.adapter import ArchitectureAdapter
from vram.models.cache import AttentionCache
from vram.models.config import ModelConfig
from vram.models.parameters import Linear, Split
from vram.models.record import evolve
from vram_plugins.architectures.llama import Llama


class LoopCoder(Llama):
    """vLLM 0.32.0 `iquest_loopcoder.py`; loops after the first look through `loop_window_size`."""

    architectures: tuple[str, ...] = ("IQuestLoopCoderForCausalLM",)
    defaults: ClassVar[Mapping[str, object]] = {"loop_num": 2, "loop_window_size": 64}

    def windows(self, config: ModelConfig, dims: Dimensions) -> Sequence[int | None]:
        """The first loop sees everything."""
        return layer_windows(config, dims.num_hidden_layers, absent=none_slides)

    def attention(self, config: ModelConfig, kind: LayerKind) -> Part:
        """One cache per loop, and a gate per head between the loops."""
        part, dims = super().attention(config, kind), kind.dims
        loops = config.integer("loop_num")
        if loops > 64:
            raise config.error("loop_num", f"is {loops}, more than any model has")
        window = config.integer("loop_window_size")
        looped = tuple(
            evolve(cache, kind="sliding_window", window=window)
            for cache in part.caches * (loops - 1)
            if isinstance(cache, AttentionCache)
        )
        gate = Linear(
            name="gate_projections.gate_proj",
            inputs=dims.head_dim,
            outputs=(Split(size=dims.num_attention_heads, units=dims.num_attention_heads),),
            bias=True,
        )
        scales = evolve(kv_scales(), count=loops - 1)
        return Part(modules=(*part.modules, scales, gate), caches=(*part.caches, *looped))


def adapters() -> Iterable[ArchitectureAdapter]:
    """IQuest's loop coder."""
    return [LoopCoder()]
