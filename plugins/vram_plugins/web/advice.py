"""The longer questions of the page: which hardware, and how to run it."""

from __future__ import annotations

from collections.abc import Mapping

from vram.report import Document
from vram_plugins.web.state import arguments_of, model_of, request_of

_HARDWARE = frozenset({"gpu", "gpu_memory_gib", "gpus", "profile", "tensor_parallel_size", "pipeline_parallel_size"})


def compared(state: Mapping[str, str], *, local_paths: bool = True) -> Document:
    """The state's model and work on every known GPU, 1, 2, 4 and 8 of each. Raises VramError."""
    import vram
    from vram.report import comparison_document

    request = request_of(state, local_paths=local_paths)
    arguments = {name: value for name, value in arguments_of(request).items() if name not in _HARDWARE}
    quantization = arguments.pop("quantization", None) or "none"
    kv_dtype = arguments.pop("kv_cache_dtype", None) or "auto"
    found = vram.compare(
        model_of(request, local_paths=local_paths),
        gpus=None,
        quantizations=(quantization,),
        kv_cache_dtypes=(kv_dtype,),
        **arguments,
    )
    return comparison_document(found)


def planned(state: Mapping[str, str], *, local_paths: bool = True) -> Document:
    """How to run the state's model on its GPU: what the fields say is kept. Raises VramError."""
    import vram
    from vram.report import plan_document

    request = request_of(state, local_paths=local_paths)
    return plan_document(vram.plan(model_of(request, local_paths=local_paths), **arguments_of(request)))
