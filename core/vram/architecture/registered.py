"""What a version registers as a model's parameters and buffers, where that differs from what newer versions do."""

from __future__ import annotations

from vram.models.parameters import Module, Tensor
from vram.models.record import evolve
from vram.models.spec import LayerRun, ModelSpec
from vram.vllm.versions import Version

#: `attention/layer.py`: attributes before, `register_buffer` since
_SCALES_SINCE: Version = (0, 14, 0)
_SCALES = ("attn.kv_scales", "attn.plain_scales")
#: `qwen2_vl.py` and its kin: a class of its own with frequencies before, `get_rope` and its table since
_TOWER_TABLES_SINCE: Version = (0, 12, 0)
TOWER_TABLE = "rotary_pos_emb.cos_sin_cache"


def registered_by(spec: ModelSpec, version: Version) -> ModelSpec:
    """The model as an older version has it.

    Before 0.14 attention's scales are plain tensors: memory, and no buffer. Before 0.12 towers keep fp32 frequencies, one
    for two columns of the table that they have since.
    """
    if version >= _SCALES_SINCE:
        return spec
    older = evolve(spec, runs=tuple(_plain(run) for run in spec.runs))
    if version >= _TOWER_TABLES_SINCE:
        return older
    return evolve(older, placed=tuple(evolve(one, module=_frequencies(one.module)) for one in older.placed))


def _plain(run: LayerRun) -> LayerRun:
    layer = run.layer
    return evolve(run, layer=evolve(layer, modules=tuple(_unregistered(module) for module in layer.modules)))


def _unregistered(module: Module) -> Module:
    if not isinstance(module, Tensor) or not module.name.endswith(_SCALES):
        return module
    return evolve(module, presence="loaded")


def _frequencies(module: Module) -> Module:
    if not isinstance(module, Tensor) or not module.name.endswith(TOWER_TABLE):
        return module
    return evolve(module, shape=(module.shape[-1] // 2,), dtype="float32", shared=None)
