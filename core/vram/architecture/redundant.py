"""Redundant experts (`--enable-eplb`, `--eplb-config.num_redundant_experts`): copies that every mixture keeps besides."""

from __future__ import annotations

from functools import lru_cache

from vram.models.parameters import Experts, Module
from vram.models.record import evolve
from vram.models.spec import ModelSpec


@lru_cache(maxsize=64)
def with_redundant_experts(spec: ModelSpec, copies: int) -> ModelSpec:
    """The model with so many experts more in every mixture, of which its routers know nothing.

    Source: vLLM 0.33.0 `fused_moe/layer.py`: `global_num_experts = num_experts + num_redundant_experts`. Cached, so that the same
    question gives the same object.
    """
    runs = (
        evolve(
            run, layer=evolve(run.layer, modules=tuple(_with_copies(module, copies) for module in run.layer.modules))
        )
        for run in spec.runs
    )
    return evolve(spec, runs=tuple(runs))


def _with_copies(module: Module, copies: int) -> Module:
    return evolve(module, num_experts=module.num_experts + copies) if isinstance(module, Experts) else module
