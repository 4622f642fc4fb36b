"""Which CUDA graphs the arguments and the model leave to be captured."""

from __future__ import annotations

from collections.abc import Mapping

from vram.architecture.compiling import breaks_graphs
from vram.errors import InputError
from vram.models.deployment import EngineArgs
from vram.models.record import evolve
from vram.models.spec import ModelSpec
from vram.vllm.capture import DEFAULT_CHOICE, GraphChoice
from vram.vllm.versions import Version

_MODES = ("NONE", "PIECEWISE", "FULL", "FULL_DECODE_ONLY", "FULL_AND_PIECEWISE")
_MODE_BY_LEVEL = ("NONE", "PIECEWISE", "FULL_AND_PIECEWISE", "FULL_AND_PIECEWISE")
_COMPILATIONS = ("NONE", "STOCK_TORCH_COMPILE", "DYNAMO_TRACE_ONCE", "VLLM_COMPILE")


def graph_choice(args: EngineArgs, version: Version, spec: ModelSpec) -> GraphChoice:
    """As `_asked`, but pooling captures piece by piece alone, and encoder-decoders decode steps (`config/vllm.py` since 0.11)."""
    choice = _asked(args, version)
    if breaks_graphs(spec.architecture, version, args.environment):
        choice = evolve(choice, compiled=False)
    if version >= (0, 11, 0) and spec.runner == "pooling":
        return evolve(choice, full=False, mixed=False)
    if version >= (0, 11, 0) and "encoder_decoder" in spec.hints:
        return evolve(choice, piecewise=False, mixed=False)
    return choice


def compiles(args: EngineArgs, version: Version, architecture: str) -> bool:
    """Whether vLLM's own compilation runs, with which custom operations are off where nobody asks for them."""
    return _asked(args, version).compiled and not breaks_graphs(architecture, version, args.environment)


def _asked(args: EngineArgs, version: Version) -> GraphChoice:
    """What `--enforce-eager`, `--compilation-config` and what is short for it choose. Raises InputError on an unknown mode.

    Source: `config/vllm.py` and `config/compilation.py:CUDAGraphMode` (0.33.0): optimization levels give the default mode; without
    vLLM's own compilation nothing is captured piece by piece. `use_cudagraph` and `full_cuda_graph` until 0.11,
    `scheduler.py:cuda_graph_sizes` of 0.9 to 0.12: one number is the largest, several are the sizes.
    """
    given: Mapping[str, object] = args.compilation_config or {}
    level = args.optimization_level if version >= (0, 12, 0) else None
    if not given and level is None and not args.enforce_eager and args.performance_mode == "balanced":
        return DEFAULT_CHOICE
    mode = given.get(
        "cudagraph_mode", "FULL" if given.get("full_cuda_graph") else _MODE_BY_LEVEL[2 if level is None else level]
    )
    mode = "NONE" if mode is None or given.get("use_cudagraph") is False else str(mode).upper()
    mode = _MODES[int(mode)] if mode in {"0", "1", "2"} else mode
    if mode not in _MODES:
        problem = f"has no cudagraph_mode {mode[:24]}: it must be {', '.join(_MODES)}"
        raise InputError(name="compilation_config", value=None, problem=problem)
    asked = given.get("mode", given.get("level", given.get("optimization_level")))
    compiled = not args.enforce_eager and level != 0 and (asked is None or _compilation(asked) == _COMPILATIONS[-1])
    on = not args.enforce_eager and mode != "NONE"
    sizes, largest = _sizes_given(given)
    return GraphChoice(
        piecewise=on and "PIECEWISE" in mode and compiled,
        full=on and "FULL" in mode and (compiled or version >= (0, 11, 0)),
        mixed=mode == "FULL",
        sizes=sizes,
        largest=largest,
        fine=args.performance_mode == "interactivity" and version >= (0, 17, 0),
        compiled=compiled,
    )


def _compilation(asked: object) -> str:
    """`CompilationConfig.mode` (to 0.11 `level`) by its name or its number. Raises InputError on any other."""
    name = asked.upper() if isinstance(asked, str) else asked
    name = int(name) if isinstance(name, str) and name in {"0", "1", "2", "3"} else name
    if isinstance(name, int) and 0 <= name < len(_COMPILATIONS):
        return _COMPILATIONS[name]
    if name in _COMPILATIONS:
        return str(name)
    problem = f"has no mode {str(asked)[:24]}: it must be {', '.join(_COMPILATIONS)}"
    raise InputError(name="compilation_config", value=None, problem=problem)


def _sizes_given(given: Mapping[str, object]) -> tuple[tuple[int, ...] | None, int | None]:
    """The user's capture sizes and largest one. Raises InputError where they contradict each other."""
    sizes, largest = given.get("cudagraph_capture_sizes"), given.get("max_cudagraph_capture_size")
    older = given.get("cuda_graph_sizes")
    if isinstance(older, list | tuple) and older:
        sizes, largest = (sizes, older[0]) if len(older) == 1 else (older, largest)
    listed = sizes if isinstance(sizes, list | tuple) else ()
    whole = (sizes is None or listed) and all(isinstance(one, int) and 0 < one <= 2**20 for one in listed)
    if not whole or not isinstance(largest, int | None):
        raise InputError(name="cudagraph_capture_sizes", value=None, problem="must be whole numbers, at least one")
    found = tuple(sorted(set(listed))) if listed else None
    if found and largest is not None and largest != found[-1]:
        consistent = f"should be consistent with the max value of cudagraph_capture_sizes(={found[-1]})"
        problem = f"customized max_cudagraph_capture_size(={largest}) {consistent}"
        raise InputError(name="max_cudagraph_capture_size", value=None, problem=problem)
    return found, largest
