"""An Estimate's memory as segments of one bar per GPU, for every way to draw it."""

from __future__ import annotations

from vram.models.estimate import Estimate
from vram.models.record import frozen


@frozen(kw_only=True)
class Segment:
    """Some bytes of a bar. `key` names the colour, `name` is for people."""

    key: str
    name: str
    bytes: int


@frozen(kw_only=True)
class Bar:
    """One GPU of a pipeline rank."""

    name: str
    segments: tuple[Segment, ...]

    @property
    def total(self) -> int:
        return sum(segment.bytes for segment in self.segments)


def bars_of(estimate: Estimate) -> tuple[Bar, ...]:
    """One bar per pipeline rank: its weights, the overhead, what the workload needs of the KV cache, what is left of it.

    The need is known of ranks with the most cache layers; on the others the pool is one segment.
    """
    memory = estimate.memory
    heaviest = max(rank.weights_bytes for rank in estimate.ranks)
    most_layers = max(rank.cache_layers for rank in estimate.ranks)
    bars = []
    for rank in estimate.ranks:
        pool = max(0, memory.kv_cache_available.expected + heaviest - rank.weights_bytes)
        needed = memory.kv_cache_required.expected if rank.cache_layers == most_layers else 0
        segments = (
            Segment(key="weights", name="weights", bytes=rank.weights_bytes),
            Segment(key="activation", name="activation peak", bytes=memory.activation_peak.expected),
            Segment(key="graphs", name="CUDA graphs", bytes=memory.cuda_graphs.expected),
            Segment(key="nontorch", name="non-torch", bytes=memory.non_torch.expected),
            Segment(key="kv", name="KV cache needed", bytes=needed),
            Segment(key="pool", name="KV cache to spare" if needed else "KV cache pool", bytes=max(0, pool - needed)),
        )
        name = "each GPU" if len(estimate.ranks) == 1 else f"stage {rank.pipeline_rank}"
        bars.append(Bar(name=name, segments=tuple(segment for segment in segments if segment.bytes > 0)))
    return tuple(bars)
