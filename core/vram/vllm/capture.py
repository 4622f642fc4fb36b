"""Which batch sizes vLLM captures as CUDA graphs, by version and GPU."""

from __future__ import annotations

from functools import lru_cache

from vram.models.parameters import round_up
from vram.models.record import frozen
from vram.vllm.versions import Version

_FINE_STEP = 8
_V0_STARTS = (1, 2, 4)
_COARSE_STEP = 16
_COARSE_FROM = 256


@frozen(kw_only=True)
class CaptureSizes:
    """Token counts of the captured graphs: `piecewise` (one per compiled piece each) and `full` decode graphs."""

    piecewise: tuple[int, ...]
    full: tuple[int, ...]

    @property
    def graphs(self) -> int:
        """How many batch sizes are captured, both modes together."""
        return len(self.piecewise) + len(self.full)


@frozen(kw_only=True)
class GraphChoice:
    """What the arguments say of CUDA graphs: which kinds, the sizes or the largest one where the user gives them, every size to 32
    (`fine`), and whether torch.compile runs.
    """

    piecewise: bool = True
    full: bool = True
    mixed: bool = False
    sizes: tuple[int, ...] | None = None
    largest: int | None = None
    fine: bool = False
    compiled: bool = True


DEFAULT_CHOICE = GraphChoice()


@lru_cache(maxsize=1024)
def capture_sizes(
    version: Version,
    *,
    max_num_seqs: int,
    max_num_batched_tokens: int,
    capability: tuple[int, int],
    architecture: str = "",
    query_length: int = 1,
    v0_engine: bool = False,
    choice: GraphChoice = DEFAULT_CHOICE,
) -> CaptureSizes:
    """The capture list, vLLM's own but for what the `choice` says; `query_length` is 1 + the number of speculative tokens.

    Source: `config/vllm.py:_set_cudagraph_sizes` (0.33.0), `config/__init__.py` (0.9.2, 0.10.1.1, 0.11.0). Steps of 8,
    from 256 on of 16 since 0.11.2; the largest is min(2 × max_num_seqs × query length, 512) since 0.10 (1024 on
    compute capability 10.x since 0.28, and for gpt-oss since 0.10.1: `model_executor/models/config.py`), but a whole
    batch within it is captured too since 0.20.1. Full decode graphs besides the piecewise ones since 0.11; those of
    speculation are whole requests since 0.11.1 (`compilation.py:adjust_cudagraph_sizes_for_spec_decode`). The V0 engine
    captures whole decode steps up to the first size of its list that holds max_num_seqs, 8,192 at most (0.6.6 to 0.10.1).
    """
    if v0_engine:
        steps = -(-max_num_seqs // _FINE_STEP) if max_num_seqs > _V0_STARTS[-1] else 0
        starts = [size for size in _V0_STARTS if steps or size < 2 * max_num_seqs]
        return CaptureSizes(piecewise=(*starts, *(_FINE_STEP * i for i in range(1, min(steps, 1024) + 1))), full=())
    ceiling = choice.largest or _largest(version, max_num_seqs, capability, architecture, query_length)
    largest = min(ceiling, max_num_batched_tokens)
    sizes = _steps(largest, coarse=version >= (0, 11, 2))
    if choice.fine:
        sizes |= {*range(1, min(largest, 32) + 1)}
    if version >= (0, 20, 1) and max_num_batched_tokens <= ceiling:
        sizes.add(max_num_batched_tokens)
    if not architecture.startswith("GptOss") and choice.largest is None:  # whose ceiling counts as the user's own
        sizes |= {size for size in _decode_batches(version, max_num_seqs, capability, query_length) if size <= largest}
    if choice.sizes is not None:
        sizes = {size for size in choice.sizes if size <= max_num_batched_tokens}
        largest = max(sizes, default=0)
    piecewise = tuple(sorted(sizes))
    if version < (0, 11, 0) or choice.mixed:
        return CaptureSizes(piecewise=piecewise if choice.piecewise or choice.full else (), full=())
    unit = query_length if version >= (0, 11, 1) else 1
    whole = sorted({round_up(size, unit) for size in piecewise})
    most = min(max_num_seqs * query_length, largest)
    full = tuple(size for size in whole if query_length <= size <= most)
    return CaptureSizes(piecewise=piecewise if choice.piecewise else (), full=full if choice.full else ())


def _steps(largest: int, *, coarse: bool) -> set[int]:
    """1, 2, 4, then steps of 8, and of 16 from 256 on where `coarse`."""
    fine_end = min(largest, _COARSE_FROM - 1) if coarse else largest
    sizes = {size for size in (1, 2, 4) if size <= largest} | {*range(_FINE_STEP, fine_end + 1, _FINE_STEP)}
    return sizes | {*range(_COARSE_FROM, largest + 1, _COARSE_STEP)} if coarse else sizes


def _decode_batches(version: Version, max_num_seqs: int, capability: tuple[int, int], query_length: int) -> set[int]:
    """Decode batches captured besides the steps: of all requests (0.31), under speculation of a grid of them (0.29)."""
    if query_length == 1:
        return {max_num_seqs} if version >= (0, 31, 0) else set()
    if version < (0, 29, 0):
        return set()
    requests = min(max_num_seqs, _ceiling(version, capability))
    return {count * query_length for count in _steps(requests, coarse=True) | {requests}}


def _ceiling(version: Version, capability: tuple[int, int]) -> int:
    return 1024 if version >= (0, 28, 0) and capability[0] == 10 else 512


def _largest(
    version: Version, max_num_seqs: int, capability: tuple[int, int], architecture: str, query_length: int
) -> int:
    if version < (0, 10, 0):
        return 512
    if architecture.startswith("GptOss"):
        return 1024
    return min(2 * max_num_seqs * (query_length if version >= (0, 13, 0) else 1), _ceiling(version, capability))
