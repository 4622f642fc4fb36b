"""What must hold of the records plugins give besides the types of their fields: names that can be typed, parts that add up.

Each function yields sentences about one record; what hardware can be is in `vram.plugin.ranges`. `vram.plugin.conform` asks
them at the border, and the contract check with it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from vram.plugin.ranges import (
    WIDEST,
    constant_rule,
    detected_rule,
    dtypes,
    from_one,
    gpu_rule,
    kv_dtype_rule,
    profile_rule,
    typed_names,
)

if TYPE_CHECKING:
    from vram.models.artifact import Artifact, GeneratedFile
    from vram.models.cache import AttentionCache
    from vram.models.checkpoint import Inventory
    from vram.models.checkpoint_format import CheckpointFormat
    from vram.models.command import Command
    from vram.models.deployment_reader import FoundServer
    from vram.models.later import Later
    from vram.models.parameters import Embedding, Experts, Linear, Tensor
    from vram.models.scheme import Format, StoredTensor
    from vram.models.self_test import SelfTest
    from vram.models.spec import LayerRun, ModelSpec

_LONGEST_LINE = 80
#: ends of file names that vram reads itself
_OWN = (".json", ".safetensors")


def _stored(tensor: StoredTensor) -> Iterator[str]:
    yield from dtypes(tensor.dtype)


def _module(module: Linear | Experts | Embedding | Tensor) -> Iterator[str]:
    yield from typed_names(module.name)
    yield from from_one(module, "count")
    if module.dtype is not None:
        yield from dtypes(module.dtype)


def _embedding(module: Embedding) -> Iterator[str]:
    yield from from_one(module, "padding")


def _run(run: LayerRun) -> Iterator[str]:
    if not run.indices or any(later < one for one, later in zip(run.indices, run.indices[1:], strict=False)):
        yield f"is at {run.indices[:4]} ..., which must be places in ascending order"


def _spec(spec: ModelSpec) -> Iterator[str]:
    from vram.dtypes import is_torch_dtype

    yield from typed_names(spec.architecture)
    yield from from_one(spec, "hidden_size", "vocab_size", "max_model_len", "residual_streams")
    told = filter(None, (spec.dtype, spec.state_dtype))
    yield from dtypes(*(name for name in told if not is_torch_dtype(name)))
    if spec.max_model_len > spec.derived_max_model_len:
        yield f"has a max_model_len of {spec.max_model_len}, above its derived {spec.derived_max_model_len}"
    places = {index for run in spec.runs for index in run.indices}
    if places != set(range(spec.num_layers)):
        yield f"has num_layers={spec.num_layers} and layers at {len(places)} places"


def _attention(cache: AttentionCache) -> Iterator[str]:
    yield from from_one(cache, "num_kv_heads", "head_size", "window", "states_per_token")


def _later(later: Later) -> Iterator[str]:
    yield from typed_names(*later.names)
    yield from _path(later.load)


def _file(file: GeneratedFile) -> Iterator[str]:
    parts = file.path.split("/")
    if os.path.isabs(file.path) or not all(parts) or {".", ".."} & set(parts) or "\\" in file.path or "\0" in file.path:
        yield f"has the path {file.path!r:.100}, which is not inside the output folder"


def _server(server: FoundServer) -> Iterator[str]:
    yield from from_one(server, "line", "gpus", "nodes")
    if server.status != "vllm" and not server.problem:
        yield "is not vLLM's or not understood, and has no `problem` that says why"


def _inventory(inventory: Inventory) -> Iterator[str]:
    stored = sum(tensor.nbytes for tensor in inventory.tensors)
    if stored != inventory.total_bytes:
        yield f"says {inventory.total_bytes:,} bytes in all, of tensors that take {stored:,}"


def _self_test(test: SelfTest) -> Iterator[str]:
    yield from typed_names(test.name)
    if (test.parameter_bytes, test.weights_bytes, test.kv_bytes_per_token) == (None, None, None):
        yield f"is called {test.name!r} and expects no number (parameter_bytes, weights_bytes or kv_bytes_per_token)"
    if not test.source.strip():
        yield f"is called {test.name!r} and does not say where its numbers are from (source)"


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
            yield f"is called {command.name!r}, and its {part} is not one line of at most {_LONGEST_LINE} characters"
    for path in (command.load, *command.library.values()):
        yield from _path(path)
    for name in command.library:
        if not name.isidentifier() or name.startswith("_"):
            yield f"is called {command.name!r} and gives {name!r}, which is no name for the library"
        if name in sys.modules["vram"].__all__ and name not in PROMISED:
            yield f"is called {command.name!r} and gives vram.{name}, which is vram's own"


def _artifact(artifact: Artifact) -> Iterator[str]:
    if not artifact.name.replace("-", "").replace("_", "").isalnum():
        yield f"is called {artifact.name!r}, which is not a word one can type behind --emit"


def _checkpoint_format(form: CheckpointFormat) -> Iterator[str]:
    for suffix in form.suffixes:
        if not suffix.startswith(".") or suffix in _OWN:
            yield f"reads {suffix!r}, which is no end of a file name, or one that vram reads itself"


def _format(form: Format) -> Iterator[str]:
    bits = form.bits_per_weight
    if isinstance(bits, bool) or not isinstance(bits, int | float) or not 0 < bits <= WIDEST:
        yield f"whose bits_per_weight is {bits!r:.40}: it must be a number above 0, of at most {WIDEST}"
    hash(form)  # layers are grouped by format


def _path(path: object) -> Iterator[str]:
    module, colon, attribute = path.partition(":") if isinstance(path, str) else ("", "", "")
    if not module or not colon or not attribute:
        yield f'loads {path!r:.100}, which is not of the form "package.module:attribute"'


#: by the full name of a class, so that none is imported for its rule
RULES: Mapping[str, Any] = {
    "vram.models.kv_dtype.KVCacheDtype": kv_dtype_rule,
    "vram.models.profile.Gpu": gpu_rule,
    "vram.models.profile.Constant": constant_rule,
    "vram.models.profile.OverheadProfile": profile_rule,
    "vram.models.scheme.StoredTensor": _stored,
    "vram.models.parameters.Linear": _module,
    "vram.models.parameters.Tensor": _module,
    "vram.models.parameters.Embedding": lambda one: (*_module(one), *_embedding(one)),
    "vram.models.parameters.Experts": _module,
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
    "vram.models.detected.DetectedGpu": detected_rule,
    "vram.models.checkpoint.Inventory": _inventory,
}
