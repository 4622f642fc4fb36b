"""The OpenAPI 3.1 document of /api/v1, made from what is asked and answered: nothing in it is written twice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from vram import __version__
from vram_plugins.programs.fields import deployment_fields
from vram_plugins.programs.operations import Operation, operations
from vram_plugins.programs.problems import MEDIA_TYPE, PREFIX, kinds
from vram_plugins.programs.query import is_listed
from vram_plugins.programs.schemas import ANSWERS, definitions

_TEXT = {"type": "string"}
_PROBLEM = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
_ABOUT = (
    "What vLLM prints when it starts a model on a GPU, whether it starts and the work fits, and what to change: the answers of `vram`, "
    "under the same names. Fields have the names of the library and of vLLM; sizes are bytes, per GPU. Null is as good as not given."
)
_HEADERS = {
    "ETag": {"description": "Names the content, for If-None-Match.", "schema": _TEXT},
    "Cache-Control": {"description": "For how long it may be kept.", "schema": _TEXT},
}


@lru_cache(maxsize=1)
def document() -> dict[str, Any]:
    """The whole document."""
    schemas = {**definitions(), "Problem": _problem()}
    questions = {_question_name(one): one.schema() for one in operations().values()}
    found = {
        "openapi": "3.1.0",
        "info": {
            "title": "vram",
            "version": __version__,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": {PREFIX + name: _path(one) for name, one in operations().items()},
        "components": {"schemas": dict(sorted({**schemas, **questions}.items())), "parameters": _shared()},
    }
    # what is said of definitions within one schema holds for the document's
    moved: dict[str, Any] = json.loads(json.dumps(found).replace("#/$defs/", "#/components/schemas/"))
    return moved


def _path(operation: Operation) -> dict[str, Any]:
    name = operation.name.replace("-", "_")
    answers = {
        "200": {
            "description": "The answer.",
            "content": {"application/json": {"schema": ANSWERS[operation.name]}},
        },
        "4XX": {"description": "A question that is not understood, or not allowed.", "content": _PROBLEM},
        "5XX": {"description": "Too many questions at once, or a bug.", "content": _PROBLEM},
    }
    posted = {
        "operationId": f"ask_{name}" if not operation.pastes else name,
        "summary": operation.summary,
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{_question_name(operation)}"}}},
        },
        "responses": answers,
    }
    if operation.pastes:
        return {"post": posted}
    asked = {
        "operationId": name,
        "summary": operation.summary,
        "parameters": [_referred(name, schema) for name, schema in operation.pasted_fields().items()],
        "responses": {
            **answers,
            "200": {**answers["200"], "headers": _HEADERS},
            "304": {"description": "The answer is the one that If-None-Match names."},
        },
    }
    return {"get": asked, "post": posted}


@lru_cache(maxsize=1)
def _shared() -> dict[str, Any]:
    """The fields of a deployment, which most questions have."""
    return {name: _parameter(name, schema) for name, schema in deployment_fields().items()}


def _referred(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    own = _parameter(name, schema)
    return {"$ref": f"#/components/parameters/{name}"} if _shared().get(name) == own else own


def _parameter(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """A field in the address: lists with commas, or repeated; objects as JSON."""
    told = {"name": name, "in": "query", "description": schema.get("description", "")}
    bare = {key: value for key, value in schema.items() if key != "description"}
    if is_listed(schema):
        return {**told, "schema": bare, "style": "form", "explode": False}
    if schema.get("type") in ("string", "integer", "number", "boolean"):
        return {**told, "schema": bare}
    return {**told, "schema": {"type": "string", "contentMediaType": "application/json", "contentSchema": bare}}


def _question_name(operation: Operation) -> str:
    """Questions about one deployment are one."""
    same = operation.name in ("estimate", "max-context", "max-concurrency")
    return "DeploymentQuestion" if same else f"{operation.name.capitalize()}Question"


def _problem() -> dict[str, Any]:
    lines = "\n".join(f"- `{name}` ({int(status)}): {text}" for name, (status, text) in kinds().items())
    return {
        "type": "object",
        "description": f"Problem details (RFC 9457). `type` ends in one of:\n\n{lines}",
        "properties": {
            "type": {"type": "string", "format": "uri-reference"},
            "title": _TEXT,
            "status": {"type": "integer"},
            "detail": {**_TEXT, "description": "One sentence: what is wrong, where, what to do next."},
            "field": {**_TEXT, "description": "The field of the question that it is about, where it is about one."},
        },
        "required": ["type", "title", "status", "detail"],
        "additionalProperties": False,
    }
