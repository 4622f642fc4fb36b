"""What is wrong with one record of a plugin: each function yields sentences."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from vram.errors import VramError
from vram.models.adapter import ArchitectureAdapter, BuildContext
from vram.models.artifact import Artifact
from vram.models.config import ModelConfig
from vram.models.kv_dtype import KVCacheDtype
from vram.models.parameters import LocalExperts, LocalLinear
from vram.models.platform import CUDA, Chip, Leftover, Matrix, Platform
from vram.models.profile import OverheadProfile
from vram.models.record import evolve
from vram.models.scheme import Format, ModuleRef, Quantization, QuantizationRequest, QuantizationScheme, StoredTensor
from vram.models.spec import ModelSpec
from vram.vllm.versions import NEWEST

#: a qkv projection and eight experts, in sizes every group and tile divides
LINEAR = LocalLinear(
    inputs=4096,
    outputs=(4096, 1024, 1024),
    full_inputs=4096,
    full_outputs=(4096, 1024, 1024),
    parallel="column",
    tp=1,
    dtype="bfloat16",
)
EXPERTS = LocalExperts(
    experts=8,
    global_experts=8,
    hidden_size=2048,
    intermediate_size=1024,
    full_intermediate_size=1024,
    gated=True,
    bias=False,
    top_k=2,
    tp=1,
    dtype="bfloat16",
)
MODULES = (
    ModuleRef(name="model.layers.0.self_attn.qkv_proj", parts=("model.layers.0.self_attn.q_proj",), kind="linear"),
    ModuleRef(name="model.layers.0.mlp.experts", kind="experts"),
    ModuleRef(name="lm_head", kind="lm_head"),
)
#: the widest anything is stored: fp32 weights with as many bytes of scales
_MOST_BYTES_PER_WEIGHT = 8
_SIXTEEN_BIT = 2


def scheme_problems(scheme: QuantizationScheme) -> Iterator[str]:
    """Binding a typical block must give formats with plausible sizes, or a VramError."""
    if not isinstance(scheme.methods, tuple) or not scheme.methods:
        yield f"{scheme.name}: methods must be a tuple of names, not {scheme.methods!r}"
        return
    for method in scheme.methods:
        request = QuantizationRequest(
            method=method,
            config=scheme.typical(method) or {"quant_method": method},
            compute_capability=(9, 0),
        )
        try:
            bound = scheme.bind(request)
        except VramError:
            continue  # a block it cannot read, said in our words: fine
        if not isinstance(bound, Quantization):
            yield f"{scheme.name}: bind gives a {type(bound).__name__}, not a Quantization"
            continue
        for module in MODULES:
            form = bound.format_for(module)
            if form is not None and not isinstance(form, Format):
                yield f"{scheme.name}: format_for({module.name}) gives a {type(form).__name__}, not a Format or None"
            elif form is not None:
                with suppress(VramError):  # a shape refused in our words is an answer
                    yield from _format_problems(scheme.name, form, module)


def _format_problems(scheme: str, form: Format, module: ModuleRef) -> Iterator[str]:
    hash(form)  # layers are grouped by format
    if module.kind == "experts":
        tensors, more = form.experts(EXPERTS), form.experts(evolve(EXPERTS, experts=16, global_experts=16))
        weights = EXPERTS.experts * EXPERTS.hidden_size * (EXPERTS.up_rows + EXPERTS.intermediate_size)
    else:
        doubled = evolve(LINEAR, outputs=(8192, 2048, 2048), full_outputs=(8192, 2048, 2048))
        tensors, more = form.linear(LINEAR), form.linear(doubled)
        weights = LINEAR.rows * LINEAR.inputs
    for tensor in tensors:
        if not isinstance(tensor, StoredTensor):
            yield f"{scheme}: {module.kind} holds a {type(tensor).__name__}, not a StoredTensor"
            return
        if tensor.created_bytes < 0 or tensor.loaded_bytes < 0:
            yield f"{scheme}: tensor {tensor.name!r} of {module.kind} has a negative size"
    total, larger = (sum(t.created_bytes for t in these) for these in (tensors, more))
    if not 0 < total <= weights * _MOST_BYTES_PER_WEIGHT:
        yield f"{scheme}: {module.kind} of {weights:,} weights takes {total:,} bytes"
    if larger < total:
        yield f"{scheme}: a {module.kind} of twice the size takes fewer bytes"


def kv_dtype_problems(dtype: KVCacheDtype) -> Iterator[str]:
    """A token takes a positive number of bytes, more of them for larger heads, none more than in 32 bits by far."""
    small, large = (dtype.head_bytes(size, size, dtype="bfloat16") for size in (64, 128))
    if small <= 0:
        yield f"{dtype.name}: a head of 64 takes {small} bytes per token"
    if large < small:
        yield f"{dtype.name}: a head of 128 takes fewer bytes than one of 64"
    if large > 128 * _SIXTEEN_BIT * _MOST_BYTES_PER_WEIGHT:
        yield f"{dtype.name}: a head of 128 takes {large:,} bytes per token"


def profile_problems(profile: OverheadProfile) -> Iterator[str]:
    """Positive sizes and rates, ordered constants, every fact with a source."""
    if profile.fragmentation_factor < 1:
        yield f"{profile.name}: fragmentation_factor {profile.fragmentation_factor} is below 1"
    for gpu in profile.gpus:
        if gpu.memory_bytes <= 0:
            yield f"{profile.name}: {gpu.name} has {gpu.memory_bytes} bytes of memory"
        if gpu.bandwidth < 0 or any(rate <= 0 for _, rate in gpu.dense_flops):
            yield f"{profile.name}: {gpu.name} has a negative bandwidth or rate"
    for constant in profile.constants:
        if not constant.low <= constant.value <= constant.high:
            yield f"{profile.name}: constant {constant.name} is not within its own bounds"
        if not constant.source:
            yield f"{profile.name}: constant {constant.name} has no source"


def adapter_problems(adapter: ArchitectureAdapter) -> Iterator[str]:
    """Architectures are a tuple of names; an empty or broken config ends in a VramError and nothing else."""
    if not isinstance(adapter.architectures, tuple) or not adapter.architectures:
        yield f"{adapter.name}: architectures must be a tuple of names, not {adapter.architectures!r}"
        return
    for fields in ({}, {"hidden_size": "wide", "num_hidden_layers": -1}):
        raw = {"architectures": [adapter.architectures[0]], **fields}
        try:
            spec = adapter.build(ModelConfig(raw=raw), BuildContext())
        except VramError:
            continue
        if not isinstance(spec, ModelSpec):
            yield f"{adapter.name}: build gives a {type(spec).__name__}, not a ModelSpec"


def artifact_problems(artifact: Artifact) -> Iterator[str]:
    """A name that is a word and a description for `--help`."""
    if not artifact.name.replace("-", "").replace("_", "").isalnum():
        yield f"{artifact.name!r} is not a word one can type behind --emit"


def platform_problems(platform: Platform) -> Iterator[str]:
    """Answers about a chip of its own in the types that are asked for, whatever is asked."""
    chip = Chip(platform.name, "none").on(platform, {}, NEWEST)
    if platform.name == CUDA:
        yield f"{platform.name}: is not a plugin's"
    if not all(isinstance(platform.problem(chip, name, NEWEST), str) for name in ("fp8", "a format nobody has")):
        yield f"{platform.name}: problem gives no text"
    if not isinstance(platform.cache_problem(chip, "fp8", NEWEST), str):
        yield f"{platform.name}: cache_problem gives no text"
    if platform.forced_blocks("plain", NEWEST) < 1:
        yield f"{platform.name}: forced_blocks gives no block of tokens"
    left = platform.loading(((Matrix(what="plain", rows=1024, row_bytes=2048),),), chip, NEWEST)
    if not isinstance(left, Leftover) or min(left.shown, left.beside) < 0:
        yield f"{platform.name}: loading gives {left!r}, not what is left over"
    if not platform.dtypes:
        yield f"{platform.name}: computes in no dtype"
