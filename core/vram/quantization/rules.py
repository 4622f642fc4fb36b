"""From a list of names to a decision about a module, fused layers included, and a Quantization made of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from vram.errors import QuantizationError
from vram.models.parameters import Tensor
from vram.models.record import field, frozen
from vram.models.scheme import Format, ModuleRef, Quantization
from vram.quantization.names import NameSet

Predicate = Callable[[ModuleRef], bool]


def _never(module: ModuleRef) -> bool:
    del module
    return False


def all_parts(module: ModuleRef, names: NameSet, *, method: str) -> bool:
    """Whether the list names the module: itself, or every part it fuses.

    Raises QuantizationError where only some parts are named: vLLM refuses such a checkpoint
    (`is_layer_skipped`, `should_ignore_layer`).
    """
    if names.matches(module.name):
        return True
    if not module.parts:
        return False
    found = sum(map(names.matches, module.parts))
    if found not in (0, len(module.parts)):
        raise QuantizationError(
            method=method,
            problem=f"the checkpoint keeps some but not all parts of {module.name} unquantized, which vLLM refuses",
        )
    return found > 0


def projections(module: ModuleRef) -> tuple[str, ...]:
    """Names of the first expert's projections: the parts where they tell, else the usual three."""
    told = tuple(part for part in module.parts if part.startswith(module.name + "."))
    return told or tuple(f"{module.name}.0.{name}" for name in ("gate_proj", "up_proj", "down_proj"))


def skip_rule(names: NameSet, *, method: str, exact: bool = False) -> Predicate:
    """Modules a list keeps unquantized, as `is_layer_skipped` decides (0.33.0).

    With `exact` lists (fp8) experts are skipped when an entry about experts contains their name.
    """
    if not names:
        return _never

    def skipped(module: ModuleRef) -> bool:
        if exact and module.kind == "experts" and "experts" in module.name:
            return names.contains_experts(module.name)
        if module.kind == "experts":
            return names.matches(module.name)
        return all_parts(module, names, method=method)

    return skipped


@frozen(kw_only=True, eq=False)
class RuledQuantization(Quantization):
    """One format for every module but the skipped ones.

    `experts` is the format of experts where it differs. `lm_head` says whether the LM head is quantized at all.
    `kv_scales`: attention layers get the scales of an fp8 KV cache to load.
    """

    name: str
    format: Format | None
    experts: Format | None = None
    skipped: Predicate = field(default=_never, repr=False)
    lm_head: bool = False
    kv_scales: bool = False
    kv_cache_dtype: str | None = None
    min_capability: tuple[int, int] | None = None
    whole_model_first: Literal["", "instead", "besides"] = ""
    notes: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()

    def format_for(self, module: ModuleRef) -> Format | None:
        """See Quantization. Raises QuantizationError on a fused module that is quantized in parts."""
        if module.kind == "lm_head" and not self.lm_head:
            return None
        if self.skipped(module):
            return None
        return self.experts if module.kind == "experts" else self.format

    def attention_tensors(self, num_kv_heads: int) -> tuple[Tensor, ...]:
        """See Quantization."""
        return KV_SCALES if self.kv_scales and num_kv_heads else ()


def placeholder(name: str, count: int = 1, *, dtype: str | None = None, heads: int = 0) -> Tensor:
    """A scale that is created to be loaded, and dropped once the attention layer has taken it over."""
    return Tensor(name=name, shape=(count,), dtype=dtype, sharded_units=heads, presence="registered")


#: scalars in the model's dtype: `quantization/kv_cache.py:BaseKVCacheMethod.create_weights` (0.33.0)
KV_SCALES = tuple(placeholder(f"attn.{name}_scale") for name in ("q", "k", "v", "prob"))
