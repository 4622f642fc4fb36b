"""NVIDIA ModelOpt: FP8, NVFP4, MXFP8 for the whole model, and MIXED_PRECISION module by module.

vLLM: `quantization/modelopt.py` (0.33.0). The block is config.json's, or hf_quant_config.json's with everything under
"quantization"; the names of what stays unquantized may be exact, substrings or shell wildcards.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from vram.errors import QuantizationError
from vram.models.parameters import Tensor
from vram.models.record import field, frozen
from vram.models.scheme import Format, ModuleRef, Quantization, QuantizationRequest, QuantizationScheme
from vram.quantization.block import QuantizationBlock
from vram.quantization.fp8 import Fp8Format
from vram.quantization.microscaling import MicroscalingFormat
from vram.quantization.names import NameSet
from vram.quantization.nvfp4 import Nvfp4Format
from vram.quantization.online import OnlineFormat
from vram.quantization.rules import KV_SCALES, RuledQuantization, all_parts
from vram.quantization.target import HALVES, Target
from vram_plugins.quantization.modelopt_names import exclusions, parents, quantized_layers, spellings

#: algorithm -> vLLM's method
_OWNERS = {
    "FP8": "modelopt",
    "FP8_PER_CHANNEL_PER_TOKEN": "modelopt",
    "FP8_PB_WO": "modelopt",
    "NVFP4": "modelopt_fp4",
    "W4A16_NVFP4": "modelopt_fp4",
    "MXFP8": "modelopt_mxfp8",
}
#: algorithm -> first version read that has it (`QUANT_ALGOS`)
_SINCE = {
    "FP8_PER_CHANNEL_PER_TOKEN": (0, 14, 0),
    "FP8_PB_WO": (0, 14, 0),
    "MXFP8": (0, 16, 0),
    "MIXED_PRECISION": (0, 17, 0),
    "W4A16_NVFP4": (0, 21, 0),
}
_TOWERS = ("vision_tower", "vision_model", "vit_large_projector")
Formats = tuple[Format, Format]


def formats_of(algorithm: str, group_size: int, target: Target, *, mixed: bool = False) -> Formats | None:
    """An algorithm's formats of linears and of experts, None for one vLLM keeps unquantized."""
    if algorithm == "FP8":
        stored = Fp8Format(method="modelopt", strategy="tensor", static_input=True, target=target)
        return stored, stored
    if algorithm == "FP8_PER_CHANNEL_PER_TOKEN":
        # experts have no kernel of their own: per tensor with static activations
        experts = Fp8Format(method="modelopt", strategy="tensor", static_input=True, target=target)
        return Fp8Format(method="modelopt", strategy="channel", target=target), experts
    if algorithm in ("FP8_PB_WO", "FP8_BLOCK_SCALES"):
        linear = Fp8Format(
            method="modelopt",
            strategy="block",
            strict=False,
            whole_inputs=True,
            whole_outputs=target.version < (0, 29, 0),
            target=target,
        )
        if mixed:
            experts = Fp8Format(
                method="modelopt", strategy="block", scale="weight_scale_inv", refined=True, target=target
            )
            return linear, experts
        return linear, Fp8Format(method="modelopt", strategy="tensor", static_input=True, target=target)
    if algorithm in ("NVFP4", "W4A16_NVFP4"):
        dtype = "float32" if algorithm == "NVFP4" else "model"
        nvfp4 = Nvfp4Format(method="modelopt_fp4", group_size=group_size, input_dtype=dtype, target=target)
        return nvfp4, nvfp4
    if algorithm == "MXFP8":
        mxfp8 = MicroscalingFormat(method="modelopt_mxfp8", bits=8, target=target)
        return mxfp8, mxfp8
    return None


@frozen(kw_only=True, eq=False)
class ModelOpt(Quantization):
    """Exclusions, and either one algorithm or one per module (`layers`)."""

    name: str
    formats: Formats | None
    excluded: tuple[NameSet, NameSet]
    layers: Mapping[str, str] = field(factory=dict)
    parents: Mapping[str, str] = field(factory=dict)
    mixed: Mapping[str, Formats] = field(factory=dict)
    kv_cache_dtype: str | None = None
    kv_scales: bool = True
    min_capability: tuple[int, int] | None = None
    dtypes: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()

    def format_for(self, module: ModuleRef) -> Format | None:
        """See Quantization. Raises QuantizationError where parts of a fused module differ."""
        if self._is_excluded(module) or any(tower in module.name for tower in _TOWERS):
            return None
        pair = self.mixed.get(self._algorithm(module) or "") if self.layers else self.formats
        if pair is None:
            return None
        return pair[1] if module.kind == "experts" else pair[0]

    def attention_tensors(self, num_kv_heads: int) -> tuple[Tensor, ...]:
        """See Quantization."""
        return KV_SCALES if self.kv_scales and (num_kv_heads or not self.layers) else ()

    def _is_excluded(self, module: ModuleRef) -> bool:
        exact, loose = self.excluded
        if module.kind == "experts":
            if exact.contains_experts(module.name):
                return True
        elif all_parts(module, exact, method=self.name):
            return True
        return loose.matches(module.name)

    def _algorithm(self, module: ModuleRef) -> str | None:
        for candidate in spellings(module.name):
            if candidate in self.layers:
                return self.layers[candidate]
        found = {self.layers[s] for part in module.parts for s in spellings(part) if s in self.layers}
        if len(found) > 1:
            raise QuantizationError(method=self.name, problem=f"the parts of {module.name} have different algorithms")
        if found:
            return found.pop()
        for candidate in (*spellings(module.name), *spellings(module.name.removesuffix(".experts"))):
            if candidate in self.parents and (module.kind == "experts" or candidate == module.name):
                return self.parents[candidate]
        return None


class ModelOptScheme(QuantizationScheme):
    """All of ModelOpt's algorithms; online `--quantization mxfp8` besides."""

    name = "modelopt"
    methods = ("modelopt", "modelopt_fp4", "modelopt_mxfp8", "modelopt_mixed", "mxfp8")
    min_capability = (7, 5)
    dtypes = HALVES
    accepts = ("*",)
    online = True

    def typical(self, method: str) -> Mapping[str, object] | None:
        """See QuantizationScheme."""
        usual = {"modelopt": "FP8", "modelopt_fp4": "NVFP4", "modelopt_mxfp8": "MXFP8", "mxfp8": "MXFP8"}
        algorithm = usual.get(method)
        return {"quant_method": method, "quant_algo": algorithm, "ignore": ["lm_head"]} if algorithm else None

    def bind(self, request: QuantizationRequest) -> Quantization:
        """See QuantizationScheme."""
        target = Target.of(request)
        if not request.config:
            return self._online(request, target)
        outer = QuantizationBlock(raw=request.config, method=request.method)
        block = outer.sub("quantization") or outer
        algorithm = block.text("quant_algo").upper() or ("MXFP8" if request.method == "mxfp8" else "")
        if algorithm not in _OWNERS and algorithm != "MIXED_PRECISION":
            known = ", ".join((*_OWNERS, "MIXED_PRECISION"))
            raise block.error("quant_algo", f"must be one of {known}, not {algorithm[:40]!r}")
        algorithm = _weight_only(outer, algorithm)
        layers = quantized_layers(block, request.renames) if algorithm == "MIXED_PRECISION" else {}
        if algorithm == "MIXED_PRECISION" and not layers:
            raise block.error("quantized_layers", "is missing or empty")
        group = block.group_size("group_size", default=16) if algorithm != "MIXED_PRECISION" else _mixed_group(block)
        mixed = {a: f for a in set(layers.values()) if (f := formats_of(a, group, target, mixed=True)) is not None}
        return ModelOpt(
            name=_OWNERS.get(algorithm, "modelopt_mixed"),
            formats=formats_of(algorithm, group, target),
            excluded=exclusions(block.names("ignore", "exclude_modules", "ignored_layers"), request.renames),
            layers=layers,
            parents=parents(layers),
            mixed=mixed,
            kv_cache_dtype=_kv_cache(outer, block),
            kv_scales=algorithm != "MIXED_PRECISION" or _loads_scales(outer, block),
            min_capability=_lowest(algorithm, request.vllm_version),
            dtypes=("bfloat16",) if algorithm == "MXFP8" else (),
            refusals=_too_new(algorithm, request.vllm_version),
        )

    def _online(self, request: QuantizationRequest, target: Target) -> Quantization:
        if request.method != "mxfp8":
            raise QuantizationError(method=request.method, problem="the checkpoint is not quantized by ModelOpt")
        stored = OnlineFormat(inner=MicroscalingFormat(method="mxfp8", bits=8, target=target))
        return RuledQuantization(name="mxfp8", format=stored, experts=stored)


def _lowest(algorithm: str, version: tuple[int, int, int]) -> tuple[int, int]:
    """`get_min_capability` of the algorithm's config in every release (tests/conformance/releases.json)."""
    if algorithm in ("NVFP4", "W4A16_NVFP4"):
        return (7, 5) if version >= (0, 14, 0) else (8, 0)
    if algorithm == "MIXED_PRECISION":
        return (7, 5) if version >= (0, 24, 0) else (8, 9)
    if algorithm == "MXFP8":
        return (8, 0) if version >= (0, 20, 0) else (10, 0)
    return (8, 0) if version >= (0, 27, 0) else (8, 9)


def _too_new(algorithm: str, version: tuple[int, int, int]) -> tuple[str, ...]:
    since = _SINCE.get(algorithm, version)
    return (f"vLLM reads ModelOpt's {algorithm} since {'.'.join(map(str, since))}",) if version < since else ()


def _weight_only(outer: QuantizationBlock, algorithm: str) -> str:
    """NVFP4 whose groups quantize no activations is the weight-only kind (`ModelOptNvFp4Config._from_config`)."""
    groups = outer.mapping("config_groups")
    if algorithm != "NVFP4" or not groups:
        return algorithm
    bare = all(isinstance(g, Mapping) and g.get("input_activations") is None for g in groups.values())
    return "W4A16_NVFP4" if bare else algorithm


def _mixed_group(block: QuantizationBlock) -> int:
    if block.has("group_size"):
        return block.group_size("group_size")
    for value in block.mapping("quantized_layers").values():
        if isinstance(value, Mapping) and "NVFP4" in str(value.get("quant_algo")).upper():
            own = QuantizationBlock(raw=cast("Mapping[str, object]", value), method=block.method)
            return own.group_size("group_size", default=16)
    return 16


def _kv_cache(outer: QuantizationBlock, block: QuantizationBlock) -> str | None:
    """KV dtype the block asks for; vLLM takes what it does not know for "auto" (`get_kv_cache_quant_algo_string`).

    fp8 is asked for under vLLM's own name, which sparse latent attention tells from "fp8".
    """
    places = [each.find(name)[1] for name in ("kv_cache_scheme", "kv_cache_quant_algo") for each in (block, outer)]
    found = next((value for value in places if value), None)
    if block is not outer and not isinstance(block.find("kv_cache_quant_algo")[1], str | None):
        raise block.error("kv_cache_quant_algo", "must be text")
    if isinstance(found, str):
        return {"fp8": "fp8_e4m3", "nvfp4": "nvfp4"}.get(found.lower())
    if not isinstance(found, Mapping) or found.get("type") != "float":
        return None
    if found.get("num_bits") == 8:
        return "fp8_e4m3" if found.get("dynamic") is False else None
    return "nvfp4" if found.get("num_bits") == 4 else None


def _loads_scales(outer: QuantizationBlock, block: QuantizationBlock) -> bool:
    """Whether attention layers of a mixed checkpoint get scales to load (`ModelOptQuantConfigBase.from_config`)."""
    if block is not outer:
        return block.has("kv_cache_quant_algo")
    scheme = block.find("kv_cache_scheme")[1]
    return isinstance(scheme, Mapping) and scheme.get("type") == "float" and scheme.get("num_bits") == 8


def schemes() -> list[QuantizationScheme]:
    """ModelOpt's scheme."""
    return [ModelOptScheme()]
