"""compressed-tensors, as llm-compressor writes and RedHatAI publishes it.

vLLM: `quantization/compressed_tensors/` (0.33.0). Each group of the block says which modules it means and how their
weights and activations are quantized; the first target that matches a module counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

from vram.errors import QuantizationError
from vram.models.parameters import Tensor
from vram.models.record import field, frozen
from vram.models.scheme import Format, ModuleRef, Quantization, QuantizationRequest, QuantizationScheme
from vram.quantization.block import QuantizationBlock
from vram.quantization.names import NameSet, rename, renamed
from vram.quantization.rules import all_parts, placeholder, projections
from vram.quantization.target import Target
from vram_plugins.quantization.compressed_args import QuantArgs
from vram_plugins.quantization.compressed_formats import (
    choose_embedding,
    choose_experts,
    choose_linear,
    lowest_capability,
)

_METHOD = "compressed-tensors"
#: vLLM's class of a module, for targets that are classes; any other is a "...Linear"
_CLASSES = {"lm_head": "ParallelLMHead", "embedding": "VocabParallelEmbedding"}
#: first release with quantized embedding tables
_EMBEDDINGS = (0, 23, 0)


@frozen(kw_only=True)
class Group:
    """One entry of `config_groups`: formats of linears, experts and tables, made on first use, and the GPU they need."""

    lowest: tuple[int, int]
    linear: Callable[[], Format]
    experts: Callable[[], Format]
    embedding: Callable[[], Format]


@frozen(kw_only=True, eq=False)
class CompressedTensors(Quantization):
    """Groups by target, an ignore list, a scheme for the KV cache."""

    groups: Mapping[str, Group]
    targets: NameSet
    classes: tuple[str, ...]
    ignored: NameSet
    name: str = _METHOD
    kv_cache_dtype: str | None = None
    per_head_scales: bool = False
    embeddings: bool = False
    min_capability: tuple[int, int] | None = None
    refusals: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    _formats: dict[tuple[str, str], Format] = field(factory=dict)

    def format_for(self, module: ModuleRef) -> Format | None:
        """See Quantization. Raises QuantizationError where vLLM knows no kernel, or parts of a module differ."""
        target = self._experts_target(module) if module.kind == "experts" else self._target(module)
        if target is None:
            return None
        key = (target, module.kind)
        if key not in self._formats:
            group = self.groups[target]
            make = {"experts": group.experts, "embedding": group.embedding}.get(module.kind, group.linear)
            self._formats[key] = make()
        return self._formats[key]

    def _target(self, module: ModuleRef) -> str | None:
        if all_parts(module, self.ignored, method=_METHOD):
            return None
        found = self.targets.first(module.name)
        if found is None and module.parts:
            matches = [self.targets.first(part) for part in module.parts]
            found = matches[0] if all(matches) else None
        return found or self._class_target(_CLASSES.get(module.kind, "Linear"))

    def _experts_target(self, module: ModuleRef) -> str | None:
        """Experts follow their first one's projections, the last of which counts (`get_moe_method`)."""
        found = {self._expert_target(name) for name in projections(module)}
        if len(found) > 1:
            raise QuantizationError(
                method=_METHOD, problem=f"the projections of {module.name} are quantized differently"
            )
        return found.pop()

    def _expert_target(self, name: str) -> str | None:
        if self.ignored.matches(name):
            return None
        return self.targets.first(name) or self._class_target("RoutedExperts") or self._class_target("Linear")

    def _class_target(self, kind: str) -> str | None:
        return next((target for target in self.classes if target.lower() in kind.lower()), None)

    def attention_tensors(self, num_kv_heads: int) -> tuple[Tensor, ...]:
        """Scales (fp32) and unused zero points of `CompressedTensorsKVCacheMethod`, dropped after loading."""
        if not num_kv_heads:
            return ()
        count = heads = num_kv_heads if self.per_head_scales else 0
        scales = (placeholder(f"attn.{n}_scale", count or 1, dtype="float32", heads=heads) for n in "qkv")
        return (*scales, *(placeholder(f"attn.{n}_zero_point", count or 1, heads=heads) for n in "qkv"))


def _groups(block: QuantizationBlock, target: Target) -> dict[str, Group]:
    groups: dict[str, Group] = {}
    default = block.text("format")
    for name, value in block.mapping("config_groups").items():
        if not isinstance(value, Mapping):
            raise block.error(f"config_groups.{name}", "must be an object")
        section = QuantizationBlock(
            raw=cast("Mapping[str, object]", value), method=_METHOD, section=f"config_groups.{name}."
        )
        targets = section.names("targets")
        if len(targets) == 1 and targets[0].endswith("Attention"):
            continue  # coupled with the KV cache
        weights = section.sub("weights")
        if weights is None:
            continue
        args = QuantArgs.read(weights)
        inputs = section.sub("input_activations")
        activations = QuantArgs.read(inputs) if inputs else None
        layout = section.text("format") or default
        groups.update(dict.fromkeys(targets, _group(args, activations, layout, target)))
    return groups


def _group(args: QuantArgs, inputs: QuantArgs | None, layout: str, target: Target) -> Group:
    return Group(
        lowest=lowest_capability(args, inputs, target.version),
        linear=lambda: choose_linear(args, inputs, layout, target),
        experts=lambda: choose_experts(args, inputs, layout, target),
        embedding=lambda: choose_embedding(args),
    )


def _ordering(block: QuantizationBlock, version: tuple[int, int, int]) -> tuple[str, ...]:
    """vLLM 0.30 dropped the activation order by group (`_quantization_scheme_map_from_config`)."""
    groups = (group for group in block.mapping("config_groups").values() if isinstance(group, Mapping))
    weights = (group.get("weights") for group in groups)
    orders = {str(args.get("actorder")).lower() for args in weights if isinstance(args, Mapping)}
    ordered = version >= (0, 30, 0) and orders & {"group", "dynamic", "true"}
    return ("vLLM no longer runs compressed-tensors with activation order by group (actorder)",) if ordered else ()


def _kv_cache(block: QuantizationBlock) -> tuple[str | None, bool]:
    scheme = block.sub("kv_cache_scheme")
    if scheme is None:
        return None, False
    args = QuantArgs.read(scheme)
    if args.kind != "float" or args.bits != 8 or args.strategy not in ("tensor", "attn_head") or not args.symmetric:
        raise block.error("kv_cache_scheme", "is none vLLM knows: symmetric 8-bit floats per tensor or per head")
    return "fp8", args.strategy == "attn_head"


class CompressedTensorsScheme(QuantizationScheme):
    """`quant_method: compressed-tensors`."""

    name = _METHOD
    methods = (_METHOD,)
    min_capability = (7, 0)

    def typical(self, method: str) -> Mapping[str, object]:
        """Weights of 4 bits in groups of 128, RedHatAI's W4A16."""
        weights = {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 128, "symmetric": True}
        group = {"targets": ["Linear"], "weights": weights, "format": "pack-quantized"}
        return {"quant_method": method, "config_groups": {"group_0": group}, "ignore": ["lm_head"]}

    def bind(self, request: QuantizationRequest) -> Quantization:
        """See QuantizationScheme."""
        block = QuantizationBlock(raw=request.config, method=_METHOD)
        groups = {rename(t, request.renames): g for t, g in _groups(block, Target.of(request)).items()}
        kv_cache_dtype, per_head = _kv_cache(block)
        refusals: tuple[str, ...] = ()
        if block.sub("sparsity_config") is not None and block.mapping("sparsity_config").get("targets"):
            refusals = ("vLLM no longer reads sparse compressed-tensors checkpoints",)
        return CompressedTensors(
            groups=groups,
            targets=NameSet.of(groups, method=_METHOD, regex=True),
            classes=tuple(target for target in groups if "." not in target and not target.startswith("re:")),
            ignored=NameSet.of(renamed(block.names("ignore"), request.renames), method=_METHOD, regex=True),
            kv_cache_dtype=kv_cache_dtype,
            per_head_scales=per_head,
            embeddings=request.vllm_version >= _EMBEDDINGS,
            min_capability=max((group.lowest for group in groups.values()), default=None),
            refusals=(*refusals, *_ordering(block, request.vllm_version)),
        )


def schemes() -> list[QuantizationScheme]:
    """The compressed-tensors scheme."""
    return [CompressedTensorsScheme()]
