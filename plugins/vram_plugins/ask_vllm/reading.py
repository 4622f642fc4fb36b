"""The child's answers as records of the core: what an engine told of a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vram.architecture.engine import EngineRequest, Told, ToldPlan, ToldRank
from vram.models.cache import PageSpec
from vram.models.parameters import Experts, Linear, Split
from vram.models.spec import Layer, LayerRun, ModelSpec
from vram.vllm import parse_version
from vram_plugins.ask_vllm.errors import AskError
from vram_plugins.ask_vllm.interpreter import Interpreter
from vram_plugins.ask_vllm.pages import read_page
from vram_plugins.ask_vllm.quoting import quoted


def told_of(built: Mapping[str, Any], request: EngineRequest, python: Interpreter) -> Told:
    """What was built. Raises AskError where the answer is not one."""
    try:
        ranks, notes = _ranks(built)
        version = str(built["vllm"])
        return Told(
            engine=f"vLLM {version}",
            version=parse_version(version),
            where=quoted(python.path),
            spec=_spec(built, request, ranks),
            ranks=ranks,
            dtype=str(built["dtype"]),
            max_model_len=int(built["max_model_len"]),
            max_num_seqs=int(built["max_num_seqs"]),
            max_num_batched_tokens=int(built["max_num_batched_tokens"]),
            block_size=built["block_size"],
            backends=tuple(built["backends"]),
            notes=notes,
        )
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise AskError(problem=f"its answer cannot be read ({type(error).__name__}: {quoted(str(error))})") from None


def plan_of(planned: Mapping[str, Any], pools: tuple[int, ...]) -> ToldPlan:
    """What was planned for so many bytes on each rank. Raises AskError where the answer is not one."""
    try:
        return ToldPlan(
            pools=pools,
            num_blocks=_maybe(planned, "num_blocks"),
            tokens=_maybe(planned, "tokens"),
            max_concurrency=None if planned.get("max_concurrency") is None else float(planned["max_concurrency"]),
            estimated_max_model_len=_maybe(planned, "estimated_max_model_len"),
            max_model_len=_maybe(planned, "max_model_len"),
            groups=tuple((int(layers), int(block)) for layers, block in planned.get("groups", ())),
            refused=quoted(str(planned["refused"])) if planned.get("refused") else None,
        )
    except (TypeError, ValueError) as error:
        raise AskError(problem=f"its plan cannot be read ({quoted(str(error))})") from None


def _maybe(planned: Mapping[str, Any], name: str) -> int | None:
    return None if planned.get(name) is None else int(planned[name])


def _ranks(built: Mapping[str, Any]) -> tuple[tuple[ToldRank, ...], tuple[str, ...]]:
    ranks, strange = [], set()
    for said in built["ranks"]:
        counts: dict[PageSpec, int] = {}
        for spec in said["specs"]:
            read = read_page(spec)
            if read is not None:
                counts[read.page] = counts.get(read.page, 0) + int(spec["layers"])
                strange |= {read.strange} if read.strange else set()
        sizes = tuple((int(size), int(count)) for size, count in said["sizes"])
        ranks.append(ToldRank(sizes=sizes, caches=tuple(counts.items())))
    notes = tuple(
        f"vLLM's cache spec {quoted(name)} is not known here; its layers are taken to keep every token."
        for name in sorted(strange)
    )
    return tuple(ranks), notes


def _spec(built: Mapping[str, Any], request: EngineRequest, ranks: tuple[ToldRank, ...]) -> ModelSpec:
    """The model as far as activations and limits ask for it, for an architecture that no adapter knows.

    Its modules stand for shapes alone: what they weigh is told.
    """
    model = built["model"]
    pages = tuple(dict.fromkeys(page for rank in ranks for page, _ in rank.caches))
    layers = int(model["num_layers"]) or max(1, sum(count for rank in ranks for _, count in rank.caches))
    layer = Layer(modules=_modules(built, request), caches=pages)
    name = str(model["architecture"])
    return ModelSpec(
        architecture=name,
        dtype=str(built["dtype"]),
        hidden_size=int(model["hidden_size"]),
        vocab_size=int(model["vocab_size"]),
        num_attention_heads=int(model["num_attention_heads"]),
        max_model_len=int(built["max_model_len"]),
        derived_max_model_len=int(model["derived_max_model_len"]),
        num_layers=layers,
        runs=(LayerRun(layer=layer, indices=tuple(range(layers))),),
        placed=(),
        runner="generate" if model["generates"] else "pooling",
        parameters=sum(int(said["elements"]) for said in built["ranks"]) * request.args.tensor_parallel_size,
        assumptions=tuple(_assumptions(name, built)),
        hints=frozenset({"latent_attention"} if any(page.latent for page in pages) else ()),
    )


def _modules(built: Mapping[str, Any], request: EngineRequest) -> tuple[Linear | Experts, ...]:
    args, hidden = request.args, int(built["model"]["hidden_size"])
    widest = max(int(said["widest"]) for said in built["ranks"])
    modules: list[Linear | Experts] = []
    if widest:
        outputs = (Split(size=widest * args.tensor_parallel_size),)
        modules.append(Linear(name="widest", inputs=hidden, outputs=outputs, quantizable=False))
    experts = next((said["experts"] for said in built["ranks"] if said["experts"]), None)
    if experts:
        shared = args.tensor_parallel_size * args.data_parallel_size
        over_experts = args.enable_expert_parallel and shared > 1
        modules.append(
            Experts(
                name="experts",
                num_experts=int(experts["local"]) * (shared if over_experts else 1),
                hidden_size=hidden,
                intermediate_size=int(experts["intermediate_size"]) * (1 if over_experts else shared),
                top_k=int(experts["top_k"]),
                quantizable=False,
            )
        )
    return tuple(modules)


def _assumptions(name: str, built: Mapping[str, Any]) -> list[str]:
    version = built["vllm"]
    found = [
        f"No adapter knows {name}: parameters and cache are vLLM {version}'s own, activations are reckoned from its widest projection."
    ]
    if built["model"]["multimodal"]:
        found.append(f"What {name}'s towers need for their largest image, video or audio is not counted.")
    if built["quantization"]:
        found.append(
            f"What {built['quantization']}'s kernels change of {name}'s weights once they are loaded is not counted."
        )
    return found
