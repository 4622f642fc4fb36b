"""How to run it: the flags that start and fit on the state's GPU, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping

from vram.report import Document, plan_document
from vram_plugins.web.state import arguments_of, model_of, request_of


def planned(state: Mapping[str, str], *, local_paths: bool = True) -> Document:
    """How to run the state's model on its GPU for its workload: what the fields say is kept. Raises VramError."""
    import vram

    request = request_of(state, local_paths=local_paths)
    found = vram.plan(
        model_of(request, local_paths=local_paths),
        prompt_tokens=request.prompt_tokens,
        gen_tokens=request.gen_tokens,
        batching_mode=request.batching_mode or "balanced",
        **arguments_of(request),
    )
    return plan_document(found)
