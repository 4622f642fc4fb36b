"""How to run it: the flags that start and fit on the state's GPU, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping

from vram.models.plan import Plan
from vram.report import Markup, block_html, join, tag
from vram_plugins.plan.report import planned_document
from vram_plugins.web.keys import link
from vram_plugins.web.prices import listed
from vram_plugins.web.state import arguments_of, change_fields, model_of, request_of, targets_of


def plan_markup(state: Mapping[str, str], *, local_paths: bool = True) -> Markup:
    """The recommendation as a report, and as a question to go on with. Raises VramError."""
    found = planned(state, local_paths=local_paths)
    blocks = [block_html(block) for block in planned_document(found).blocks]
    return tag("section", blocks[0], _opened(state, found), *blocks[1:], class_="plan")


def planned(state: Mapping[str, str], *, local_paths: bool = True) -> Plan:
    """How to run the state's model on its GPU for its workload: what the fields say is kept. Raises VramError."""
    import vram

    request = request_of(state, local_paths=local_paths)
    targets = targets_of(state)
    if targets:
        targets |= {"goal": state.get("goal") or "cost", "prices": listed(state.get("prices", ""))}
    return vram.plan(
        model_of(request, local_paths=local_paths),
        prompt_tokens=request.prompt_tokens,
        gen_tokens=request.gen_tokens,
        batching_mode=request.batching_mode or "balanced",
        **targets,
        **arguments_of(request),
    )


def _opened(state: Mapping[str, str], found: Plan) -> Markup:
    """A link to the answer to what is recommended; nothing where nothing is, or several replicas share the users."""
    best = found.recommendation
    if best is None or best.replicas != 1 or not state.get("model"):
        return Markup()
    fields = change_fields({**best.engine_args, "gpu": best.gpu}, state.get("flags", ""))
    moved = {"model": best.model, "revision": ""} if best.model != found.model else {}
    words = tag("a", "Open it as a question", href=link(state, {**(fields or {}), **moved, "view": ""}), class_="use")
    return join((tag("p", words),)) if fields else Markup()
