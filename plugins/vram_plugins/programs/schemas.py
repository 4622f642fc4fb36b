"""JSON schemas of what is answered, made from the records that answer."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from vram.models.comparison import Comparison, Row, Skipped
from vram.models.estimate import Change, Estimate
from vram.models.performance import Performance, Workload
from vram.models.plan import Job, Option, Plan, PlanLimits, Recommendation, Setting
from vram.models.profile import Gpu
from vram.models.published import Published
from vram.models.record import record_fields
from vram.models.targets import Lengths, Service, Targets
from vram.report import record_schema

Schema = dict[str, Any]
_TEXT: Schema = {"type": "string"}
_MAYBE_TEXT: Schema = {"type": ["string", "null"]}
_WHOLE: Schema = {"type": "integer"}
_MAYBE_WHOLE: Schema = {"type": ["integer", "null"]}
_NUMBER: Schema = {"type": "number"}
_TRUTH: Schema = {"type": "boolean"}
_TEXTS: Schema = {"type": "array", "items": _TEXT}
_ANY_OBJECT: Schema = {"type": "object"}


def record(text: str, properties: Mapping[str, Schema], optional: tuple[str, ...] = ()) -> Schema:
    """An object with exactly these."""
    return {
        "type": "object",
        "description": text,
        "properties": dict(properties),
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def ref(name: str) -> Schema:
    """One of the definitions."""
    return {"$ref": f"#/$defs/{name}"}


def many(items: Schema) -> Schema:
    """A list."""
    return {"type": "array", "items": items}


def maybe(one: Schema) -> Schema:
    """It, or null."""
    return {"anyOf": [one, {"type": "null"}]}


_RECORDS = (
    Estimate, Performance, Job, Option, PlanLimits, Setting, Published, Row, Skipped, Workload, Change, Targets, Lengths, Service,
)  # fmt: skip


@lru_cache(maxsize=1)
def definitions() -> dict[str, Schema]:
    """Every answer and what it is made of, by name; they refer to each other under `$defs`."""
    found: dict[str, Schema] = {}
    for one in _RECORDS:
        found[one.__name__] = record_schema(one, found)
    version: Schema = {"const": 1}
    estimate = found["Estimate"]
    found["Estimate"] = {
        **estimate,
        "properties": {"schema_version": version, **estimate["properties"]},
        "required": ["schema_version", *estimate["required"]],
    }
    found |= _plan(version) | _comparison(version) | _reconciliation(version) | _findings() | _lists()
    limits = ("max_context_at_concurrency", "max_concurrency_at_context")
    for name, limit in zip(("LongestContext", "MostRequests"), limits, strict=True):
        found[name] = record("One limit, and the whole answer.", {limit: _WHOLE, "estimate": ref("Estimate")})
    return found


#: the definition, or list of definitions, that answers each question
ANSWERS: Mapping[str, Schema] = {
    "estimate": ref("Estimate"),
    "plan": ref("Plan"),
    "compare": ref("Comparison"),
    "max-context": ref("LongestContext"),
    "max-concurrency": ref("MostRequests"),
    "check": many(ref("Finding")),
    "reconcile": ref("Reconciliation"),
    "models": many(ref("CatalogModel")),
    "gpus": many(ref("Gpu")),
}


def _newer(record: type[Any], known: Mapping[str, Schema], besides: tuple[str, ...] = ()) -> dict[str, Schema]:
    """Fields of a record that are answered under their names, and of which nothing is said here yet."""
    return {name: {} for name in record_fields(record) if name not in (*known, *besides)}


def _plan(version: Schema) -> dict[str, Schema]:
    setting = record_schema(Setting, {})["properties"]
    recommended = {
        "model": _TEXT,
        "gpu": _TEXT,
        "gpus": _WHOLE,
        "replicas": _WHOLE,
        "engine_args": _ANY_OBJECT,
        "settings": many(record("One flag, and why.", {"flag": _TEXT, **setting})),
        "command": _TEXT,
        "hardware_reason": _TEXT,
        "limits": ref("PlanLimits"),
        "published": many(ref("Published")),
        "performance": maybe(ref("Performance")),
        "service": maybe(ref("Service")),
        "estimate": ref("Estimate"),
    }
    plan = {
        "schema_version": version,
        "feasible": _TRUTH,
        "model": _TEXT,
        "gpu": _TEXT,
        "most_gpus": _WHOLE,
        "workload": ref("Job"),
        "targets": maybe(ref("Targets")),
        "lengths": maybe(ref("Lengths")),
        "recommendation": maybe(ref("Recommendation")),
        "obstacle": _MAYBE_TEXT,
        "options": many(ref("Option")),
        "refused": many(ref("Option")),
        "warnings": _TEXTS,
    }
    return {
        "Recommendation": record(
            "What to run; `estimate` is of one replica with its share of the users.",
            {**recommended, **_newer(Recommendation, recommended)},
        ),
        "Plan": record(
            "How to run a model; without a recommendation `obstacle` says why none fits.",
            {**plan, **_newer(Plan, plan, besides=("job",))},
        ),
    }


def _comparison(version: Schema) -> dict[str, Schema]:
    rows = {name: many(ref("Row")) for name in ("smallest", "cheapest")}
    content = {
        "schema_version": version,
        **rows,
        "workload": maybe(ref("Workload")),
        "targets": maybe(ref("Targets")),
        "skipped": many(ref("Skipped")),
        "rows": many(ref("Row")),
    }
    return {
        "Comparison": record((Comparison.__doc__ or "").partition("\n")[0], {**content, **_newer(Comparison, content)})
    }


def _reconciliation(version: Schema) -> dict[str, Schema]:
    place = {"rank": _TEXT, "line": _WHOLE}
    log = {
        "path": _TEXT,
        "engine_starts": _WHOLE,
        "first_line": _WHOLE,
        "vllm_version": _MAYBE_TEXT,
        "model": _MAYBE_TEXT,
        "gpu": _MAYBE_TEXT,
        "arguments": _ANY_OBJECT,
        "readings": many(record("A number of the log.", {"name": _TEXT, "value": _NUMBER, **place})),
        "failures": many(record("A line that tells of a failure.", {"name": _TEXT, "text": _TEXT, **place})),
        "ready": _TRUTH,
    }
    prediction = {
        **dict.fromkeys(("model", "gpu", "vllm_version", "profile", "problem"), _MAYBE_TEXT),
        "gpu_memory_bytes": _MAYBE_WHOLE,
    }
    interval = record("", dict.fromkeys(("low", "expected", "high"), _NUMBER))
    component = {
        "name": _TEXT,
        "unit": {"enum": ["bytes", "count", "ratio"]},
        "logged": _NUMBER,
        "predicted": interval,
        "difference": _NUMBER,
        "inside": _TRUTH,
        "explanation": _TEXT,
    }
    command = {
        "line": _WHOLE,
        "arguments": _ANY_OBJECT,
        **dict.fromkeys(("kind", "model", "vllm_version", "problem"), _MAYBE_TEXT),
    }
    card = {"name": _TEXT, "total_bytes": _MAYBE_WHOLE, "used_bytes": _MAYBE_WHOLE}
    report = {
        "command": maybe(record("The command in the report.", command)),
        "vllm_version": _MAYBE_TEXT,
        "driver": _MAYBE_TEXT,
        "gpus": many(record("A GPU as nvidia-smi shows it.", card)),
    }
    content = {
        "schema_version": version,
        "log": record("What the log says.", log),
        "prediction": record("What was predicted for.", prediction),
        "components": many(record("One quantity, logged and predicted.", component)),
        "stage": maybe(record("Where a start failed.", {"name": _TEXT, "words": _TEXT})),
        "changes": many(ref("Change")),
        "no_change": _MAYBE_TEXT,
        "report": record("What was found beside the log.", report),
        "findings": many(record("What went wrong.", {"name": _TEXT, "message": _TEXT, "fix": _MAYBE_TEXT})),
        "notes": _TEXTS,
        "saved": _MAYBE_TEXT,
    }
    return {"Reconciliation": record("A start-up log against the estimate.", content)}


def _findings() -> dict[str, Schema]:
    from vram_plugins.check.schema import check_schema

    return {"Finding": check_schema()["items"]}


def _lists() -> dict[str, Schema]:
    gpu = record_schema(Gpu, {})
    gpu["properties"] |= {
        "compute_capability": _TEXT,
        "platform": _TEXT,
        "dense_flops": {"type": "object", "additionalProperties": _NUMBER},
    }
    gpu["required"] = [*gpu["required"], "platform"]
    model = {
        "id": _TEXT,
        "shape": _TEXT,
        "architecture": _TEXT,
        "parameters": _MAYBE_WHOLE,
        "stored_bytes": _MAYBE_WHOLE,
        "quantization": _MAYBE_TEXT,
    }
    return {"Gpu": gpu, "CatalogModel": record("A model whose facts are bundled.", model)}
