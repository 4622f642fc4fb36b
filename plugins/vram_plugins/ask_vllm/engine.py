"""The installed vLLM as an engine: asked once for each question, by its own interpreter in a child process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

from vram.architecture.engine import Engine, EngineRequest, Told
from vram.ask import answer, ask
from vram.errors import RemoteCodeError, VramError
from vram.models.estimate import Estimate
from vram.models.record import evolve
from vram.vllm import format_version
from vram_plugins.ask_vllm.asked import contents_of, facts_of, model_folder
from vram_plugins.ask_vllm.conversation import CHILD, Limits, converse
from vram_plugins.ask_vllm.environment import deciding
from vram_plugins.ask_vllm.errors import AskError
from vram_plugins.ask_vllm.interpreter import find_interpreter
from vram_plugins.ask_vllm.kept import Kept
from vram_plugins.ask_vllm.reading import plan_of, told_of


class InstalledVllm(Engine):
    """Whatever vLLM the user has: any release since 0.8.5, a fork, with out-of-tree plugins."""

    name = "vllm"

    def ask(self, request: EngineRequest, pools_of: Callable[[Told], tuple[int, ...]]) -> Told:
        """Its answer, from disk where it gave one before. Raises AskError, RemoteCodeError, InputError."""
        limits = Limits.from_environment()
        facts = facts_of(request)
        python = find_interpreter(request.where)
        program = sha256(CHILD.read_bytes()).hexdigest()
        kept = Kept(program, python.path, python.version, python.stamp, dict(deciding()), facts, contents_of(request))
        if kept.built is not None:
            told = told_of(kept.built, request, python)
            pools = pools_of(told)
            plan = kept.plan(pools)
            if plan is not None:
                return evolve(told, plan=plan_of(plan, pools))

        def reply(built: dict[str, Any]) -> dict[str, Any]:
            return {"available_bytes": pools_of(told_of(built, request, python))}

        with model_folder(request) as folder:
            try:
                built, planned = converse(python.path, {**facts, "model": folder}, reply=reply, limits=limits)
            except AskError as error:
                raise _explained(error, request, python.version) from None
        told = told_of(built, request, python)
        pools = pools_of(told)
        kept.keep(built, pools, planned)
        return evolve(told, plan=plan_of(planned, pools))

    def cross_check(self, arguments: Mapping[str, Any], *, as_json: bool) -> bool:
        """A table of both, or JSON; whether all that both tell agrees. Raises VramError."""
        from vram_plugins.ask_vllm.sides import print_sides, sides_of

        question = ask(**arguments)
        told, asked = question.told, answer(question)
        assert told is not None
        alone = {**arguments, "ask_vllm": False, "vllm_version": format_version(told.version)}
        try:
            own: Estimate | str = answer(ask(**alone))
        except VramError as error:
            own = str(error)
        return print_sides(sides_of(own, asked, told), own, told, as_json=as_json)


def _explained(error: AskError, request: EngineRequest, version: str) -> AskError | RemoteCodeError:
    """The error with vLLM's version, and what to do where code of the repository is asked for."""
    said = str(error.data.get("said", ""))
    own_code = request.checkpoint.config.has("auto_map") and error.data.get("stage") == "config"
    if (own_code or "trust_remote_code" in said) and not request.trust_remote_code:
        problem = f"has code of its own, and vLLM {version} does not know it without"
        return RemoteCodeError(model=request.checkpoint.id, problem=problem)
    return AskError(**{**error.data, "problem": str(error.data["problem"]).replace("it ", f"vLLM {version} ", 1)})
