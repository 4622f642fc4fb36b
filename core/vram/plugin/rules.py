"""What must hold of the records plugins give besides the types of their fields: numbers that can be, names that can be typed.

Each function yields sentences about one record. `vram.plugin.conform` asks them at the border, and the contract check with it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from vram.plugin.naming import names_problem

if TYPE_CHECKING:
    from vram.models.artifact import Artifact, GeneratedFile
    from vram.models.cache import AttentionCache
    from vram.models.checkpoint import Inventory
    from vram.models.checkpoint_format import CheckpointFormat
    from vram.models.command import Command
    from vram.models.deployment_reader import FoundServer
    from vram.models.detected import DetectedGpu
    from vram.models.kv_dtype import KVCacheDtype
    from vram.models.later import Later
    from vram.models.parameters import Embedding, Experts, Linear, Tensor
    from vram.models.profile import Constant, Gpu, OverheadProfile
    from vram.models.scheme import Format, StoredTensor
    from vram.models.self_test import SelfTest
    from vram.models.spec import LayerRun, ModelSpec

_GIB = 2**30
#: memory and rates that a GPU can have, a power of ten wider than any has: GiB given as bytes, GB/s as bytes/s fall outside
_MEMORY = (_GIB // 4, 8192 * _GIB)
_BANDWIDTH = (1e9, 1e15)
_FLOPS = (1e10, 1e18)
_LINK = (1e8, 1e14)
_WATTS = (1, 20_000)
_LONGEST_LINE = 80
#: ends of file names that vram reads itself
_OWN = (".json", ".safetensors")
_WIDEST = 64  # bits of one stored number


def _names(*names: object) -> Iterator[str]:
    problem = names_problem(names)
    if problem:
        yield problem


def _within(what: str, value: float | None, bounds: tuple[float, float], unit: str) -> Iterator[str]:
    if value is not None and not bounds[0] <= value <= bounds[1]:
        yield f"has {value:,g} {unit} of {what}, and none has less than {bounds[0]:,g} or more than {bounds[1]:,g}"


def _dtypes(*names: str) -> Iterator[str]:
    from vram.dtypes import canonical_dtype
    from vram.errors import UnknownNameError

    for name in names:
        try:
            canonical_dtype(name)
        except UnknownNameError:
            yield f"names {name!r}, which is no dtype"


def _from_one(record: object, *names: str) -> Iterator[str]:
    yield from (f"has a {name} of {getattr(record, name)}" for name in names if getattr(record, name) in (0, 0.0))


def _capability(value: tuple[int, int] | None) -> Iterator[str]:
    if value is not None and not (value[0] <= 99 and value[1] <= 9):
        yield f"has a compute capability of {value[0]}.{value[1]}"


def _kv_dtype(dtype: KVCacheDtype) -> Iterator[str]:
    yield from _names(dtype.name, *dtype.aliases, dtype.platform)
    for bits in (dtype.bits, dtype.value_bits):
        if bits is not None and not 1 <= bits <= _WIDEST:
            yield f"{dtype.name!r} stores numbers of {bits} bits"
    yield from _from_one(dtype, "slot_alignment")
    yield from _capability(dtype.min_capability)
    if dtype.removed is not None and dtype.removed <= dtype.since:
        yield f"{dtype.name!r} is removed in {dtype.removed} and came in {dtype.since}"
    for size in (64, 128):
        taken, most = dtype.head_bytes(size, size, dtype="bfloat16"), 2 * size * _WIDEST // 8
        if isinstance(taken, bool) or not isinstance(taken, int) or not 0 < taken <= most:
            yield f"{dtype.name!r} takes {taken!r:.40} bytes for a head of {size}, which is none or more than {most:,}"
    if dtype.head_bytes(128, 128, dtype="bfloat16") < dtype.head_bytes(64, 64, dtype="bfloat16"):
        yield f"{dtype.name!r} takes fewer bytes for a head of 128 than for one of 64"


def _gpu(gpu: Gpu) -> Iterator[str]:
    from vram.models.profile import RATES

    yield from _names(gpu.name, gpu.family, *gpu.aliases, *gpu.driver_names)
    for what, memory in (("memory", gpu.memory_bytes), ("memory on its board", gpu.board_memory_bytes)):
        yield from _within(what, memory, _MEMORY, "bytes")
    for reading in gpu.memory_readings:
        yield from _within("memory", reading, _MEMORY, "bytes")
    if gpu.usually_free_bytes is not None and gpu.usually_free_bytes > gpu.memory_bytes:
        yield "has more memory free than it has"
    yield from _within("bandwidth", gpu.bandwidth, _BANDWIDTH, "bytes/s")
    yield from _within("interconnect", gpu.interconnect, _LINK, "bytes/s")
    yield from _within("board power", gpu.board_power, _WATTS, "watts")
    for dtype, rate in gpu.dense_flops:
        yield from _within(dtype, rate, _FLOPS, "operations/s")
        if dtype not in RATES:
            yield f"has a rate for {dtype!r} (there are {', '.join(RATES)})"
    yield from _from_one(gpu, "sm_count")
    yield from _capability(gpu.compute_capability)
    if gpu.platform == "cuda" and not gpu.compute_capability[0]:
        yield "has a compute capability of 0"


def _constant(constant: Constant) -> Iterator[str]:
    from vram.models.profile import CONSTANT_NAMES

    if constant.name not in CONSTANT_NAMES:
        yield f"is {constant.name!r}, which no formula asks for (there are {', '.join(sorted(CONSTANT_NAMES))})"
    if not 0 <= constant.low <= constant.value <= constant.high <= _MEMORY[1]:
        yield f"{constant.name!r} is not within its own bounds, or below 0"
    if not constant.source.strip():
        yield f"{constant.name!r} has no source"
    if constant.until is not None and constant.until <= constant.since:
        yield f"{constant.name!r} holds until {constant.until} and from {constant.since} on"


def _profile(profile: OverheadProfile) -> Iterator[str]:
    yield from _names(profile.name, *profile.aliases)
    if not 1 <= profile.fragmentation_factor <= 10:
        yield f"has a fragmentation_factor of {profile.fragmentation_factor:g}, which is below 1 or above 10"
    yield from _from_one(profile, "gpu_count")
    if isinstance(profile.gpus, tuple | list):  # those of a file are read on use, and checked there
        names = [name for gpu in profile.gpus for name in {gpu.name, *gpu.aliases}]
        yield from (f"names {name!r} twice" for name in sorted({name for name in names if names.count(name) > 1}))
        if profile.gpu is not None and names and profile.gpu not in names:
            yield f"stands for {profile.gpu!r}, which is none of its GPUs"


def _stored(tensor: StoredTensor) -> Iterator[str]:
    yield from _dtypes(tensor.dtype)


def _module(module: Linear | Experts | Embedding | Tensor) -> Iterator[str]:
    yield from _names(module.name)
    yield from _from_one(module, "count")
    if module.dtype is not None:
        yield from _dtypes(module.dtype)


def _embedding(module: Embedding) -> Iterator[str]:
    yield from _from_one(module, "padding")


def _experts(module: Experts) -> Iterator[str]:
    if not 1 <= module.top_k <= module.num_experts:
        yield f"chooses {module.top_k} of {module.num_experts} experts"


def _run(run: LayerRun) -> Iterator[str]:
    if not run.indices or any(later < one for one, later in zip(run.indices, run.indices[1:], strict=False)):
        yield f"is at {run.indices[:4]} ..., which must be places in ascending order"


def _spec(spec: ModelSpec) -> Iterator[str]:
    from vram.dtypes import is_torch_dtype

    yield from _names(spec.architecture)
    yield from _from_one(spec, "hidden_size", "vocab_size", "max_model_len", "residual_streams")
    told = filter(None, (spec.dtype, spec.state_dtype))
    yield from _dtypes(*(name for name in told if not is_torch_dtype(name)))
    if spec.max_model_len > spec.derived_max_model_len:
        yield f"has a max_model_len of {spec.max_model_len}, above its derived {spec.derived_max_model_len}"
    places = {index for run in spec.runs for index in run.indices}
    if places != set(range(spec.num_layers)):
        yield f"has num_layers={spec.num_layers} and layers at {len(places)} places"


def _attention(cache: AttentionCache) -> Iterator[str]:
    yield from _from_one(cache, "num_kv_heads", "head_size", "window", "states_per_token")


def _later(later: Later) -> Iterator[str]:
    yield from _names(*later.names)
    yield from _path(later.load)


def _file(file: GeneratedFile) -> Iterator[str]:
    parts = file.path.split("/")
    if os.path.isabs(file.path) or not all(parts) or {".", ".."} & set(parts) or "\\" in file.path or "\0" in file.path:
        yield f"has the path {file.path!r:.100}, which is not inside the output folder"


def _server(server: FoundServer) -> Iterator[str]:
    yield from _from_one(server, "line", "gpus", "nodes")
    if server.status != "vllm" and not server.problem:
        yield "is not vLLM's or not understood, and has no `problem` that says why"


def _detected(gpu: DetectedGpu) -> Iterator[str]:
    yield from _names(gpu.name)
    for what in ("total_bytes", "cuda_total_bytes"):
        yield from _within(what, getattr(gpu, what), _MEMORY, "bytes")
    total = gpu.total_bytes if gpu.total_bytes is not None else _MEMORY[1]
    if max(gpu.used_bytes or 0, gpu.free_bytes or 0) > total:
        yield "has more memory used or free than it has"


def _inventory(inventory: Inventory) -> Iterator[str]:
    stored = sum(tensor.nbytes for tensor in inventory.tensors)
    if stored != inventory.total_bytes:
        yield f"says {inventory.total_bytes:,} bytes in all, of tensors that take {stored:,}"


def _self_test(test: SelfTest) -> Iterator[str]:
    yield from _names(test.name)
    if (test.parameter_bytes, test.weights_bytes, test.kv_bytes_per_token) == (None, None, None):
        yield f"{test.name!r} expects no number"
    if not test.source.strip():
        yield f"{test.name!r} does not say where its numbers are from"


def _command(command: Command) -> Iterator[str]:
    from vram.models.command import PROMISED
    from vram.plugin.own import OWN

    parts = command.name.split("-")
    if not all(part.isascii() and part.isalnum() and part == part.lower() for part in parts) or parts[0][0].isdigit():
        yield f"is called {command.name!r}, which is not a word of small letters, digits and hyphens"
    if command.name in {own.name for own in OWN}:
        yield f"is called {command.name!r}, which is a command of vram itself"
    for part, text in (("summary", command.summary), ("heading", command.heading)):
        if not text.strip() or "\n" in text or len(text) > _LONGEST_LINE:
            yield f"{command.name!r}: its {part} is not one line of at most {_LONGEST_LINE} characters"
    for path in (command.load, *command.library.values()):
        yield from _path(path)
    for name in command.library:
        if not name.isidentifier() or name.startswith("_"):
            yield f"{command.name!r} gives {name!r}, which is no name for the library"
        if name in sys.modules["vram"].__all__ and name not in PROMISED:
            yield f"{command.name!r} gives vram.{name}, which is vram's own"


def _artifact(artifact: Artifact) -> Iterator[str]:
    if not artifact.name.replace("-", "").replace("_", "").isalnum():
        yield f"is called {artifact.name!r}, which is not a word one can type behind --emit"


def _checkpoint_format(form: CheckpointFormat) -> Iterator[str]:
    for suffix in form.suffixes:
        if not suffix.startswith(".") or suffix in _OWN:
            yield f"reads {suffix!r}, which is no end of a file name, or one that vram reads itself"


def _format(form: Format) -> Iterator[str]:
    bits = form.bits_per_weight
    if isinstance(bits, bool) or not isinstance(bits, int | float) or not 0 < bits <= _WIDEST:
        yield f"whose bits_per_weight is {bits!r:.40}: it must be a number above 0, of at most {_WIDEST}"
    hash(form)  # layers are grouped by format


def _path(path: object) -> Iterator[str]:
    module, colon, attribute = path.partition(":") if isinstance(path, str) else ("", "", "")
    if not module or not colon or not attribute:
        yield f'loads {path!r:.100}, which is not of the form "package.module:attribute"'


#: by the full name of a class, so that none is imported for its rule
RULES: Mapping[str, Any] = {
    "vram.models.kv_dtype.KVCacheDtype": _kv_dtype,
    "vram.models.profile.Gpu": _gpu,
    "vram.models.profile.Constant": _constant,
    "vram.models.profile.OverheadProfile": _profile,
    "vram.models.scheme.StoredTensor": _stored,
    "vram.models.parameters.Linear": _module,
    "vram.models.parameters.Tensor": _module,
    "vram.models.parameters.Embedding": lambda one: (*_module(one), *_embedding(one)),
    "vram.models.parameters.Experts": lambda one: (*_module(one), *_experts(one)),
    "vram.models.spec.LayerRun": _run,
    "vram.models.spec.ModelSpec": _spec,
    "vram.models.cache.AttentionCache": _attention,
    "vram.models.later.Later": _later,
    "vram.models.command.Command": _command,
    "vram.models.self_test.SelfTest": _self_test,
    "vram.models.artifact.Artifact": _artifact,
    "vram.models.checkpoint_format.CheckpointFormat": _checkpoint_format,
    "vram.models.scheme.Format": _format,
    "vram.models.artifact.GeneratedFile": _file,
    "vram.models.deployment_reader.FoundServer": _server,
    "vram.models.detected.DetectedGpu": _detected,
    "vram.models.checkpoint.Inventory": _inventory,
}
