"""Quantization tests: every built-in scheme by method, and modules of two small models."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any

import pytest

import vram_plugins.quantization as built_in
from vram.models.config import ModelConfig
from vram.models.parameters import Experts, Linear, Split
from vram.models.scheme import Format, ModuleRef, Quantization, QuantizationRequest, QuantizationScheme
from vram.quantization.resolve import resolve
from vram.quantization.unquantized import UNQUANTIZED

Module = Linear | Experts


def all_schemes() -> dict[str, QuantizationScheme]:
    found: dict[str, QuantizationScheme] = {}
    for info in pkgutil.iter_modules(built_in.__path__):
        module = importlib.import_module(f"{built_in.__name__}.{info.name}")
        for scheme in getattr(module, "schemes", list)():
            for method in scheme.methods:
                assert method not in found, f"two built-in schemes claim {method}"
                found[method] = scheme
    return found


@pytest.fixture(scope="session")
def schemes() -> Mapping[str, QuantizationScheme]:
    return all_schemes()


@pytest.fixture
def bind(schemes: Mapping[str, QuantizationScheme]) -> Callable[..., Quantization]:
    """Binds a block (or `--quantization`) as the core does: bind(block, requested=..., capability=..., version=...)."""

    def bound(
        block: Mapping[str, Any] | None = None,
        *,
        requested: str | None = None,
        capability: tuple[int, int] = (9, 0),
        version: tuple[int, int, int] = (0, 32, 0),
        model: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> Quantization:
        request = QuantizationRequest(
            method="",
            config=block or {},
            requested=requested,
            compute_capability=capability,
            vllm_version=version,
            model=ModelConfig(raw=model) if model else None,
            **more,
        )
        resolved = resolve(schemes, request)
        assert resolved is not None
        return resolved.quantization

    return bound


def dense_layer(index: int) -> list[Module]:
    """Qwen3-8B's: 4096 wide, 32 heads and 8 KV heads of 128, 12288 between."""
    at = f"model.layers.{index}."
    return [
        qkv(at, hidden=4096, heads=32, kv_heads=8),
        Linear(name=at + "self_attn.o_proj", inputs=4096, outputs=(Split(size=4096),), parallel="row"),
        Linear(
            name=at + "mlp.gate_up_proj",
            inputs=4096,
            outputs=(Split(size=12288), Split(size=12288)),
            sources=(at + "mlp.gate_proj", at + "mlp.up_proj"),
        ),
        Linear(name=at + "mlp.down_proj", inputs=12288, outputs=(Split(size=4096),), parallel="row"),
    ]


def moe_layer(index: int) -> list[Module]:
    """Qwen3-30B-A3B's: 2048 wide, 32 heads and 4 KV heads of 128, 128 experts of 768."""
    at = f"model.layers.{index}."
    return [
        qkv(at, hidden=2048, heads=32, kv_heads=4),
        Linear(name=at + "self_attn.o_proj", inputs=4096, outputs=(Split(size=2048),), parallel="row"),
        Linear(name=at + "mlp.gate", inputs=2048, outputs=(Split(size=128),), parallel="replicated"),
        Experts(name=at + "mlp.experts", num_experts=128, hidden_size=2048, intermediate_size=768, top_k=8),
    ]


def qkv(at: str, *, hidden: int, heads: int, kv_heads: int) -> Linear:
    sizes = (Split(size=heads * 128, units=heads), *(Split(size=kv_heads * 128, units=kv_heads),) * 2)
    sources = tuple(f"{at}self_attn.{part}_proj" for part in "qkv")
    return Linear(name=at + "self_attn.qkv_proj", inputs=hidden, outputs=sizes, sources=sources)


def reference(module: Module) -> ModuleRef:
    kind = "experts" if isinstance(module, Experts) else "linear"
    return ModuleRef(name=module.name, parts=module.sources, kind=kind)  # type: ignore[arg-type]


def stored(module: Module, form: Format | None, tp: int, dtype: str) -> dict[str, tuple[int, str]]:
    """Name -> (elements, dtype) of what a module's format creates on one rank, empty tensors left out."""
    form = form or UNQUANTIZED
    is_moe = isinstance(module, Experts)
    tensors = form.experts(module.local(tp, 1, dtype)) if is_moe else form.linear(module.local(tp, dtype))
    return {t.name: (t.elements, t.dtype) for t in tensors if t.elements}
