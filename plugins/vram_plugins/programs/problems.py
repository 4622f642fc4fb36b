"""Errors as problem details (RFC 9457): what kind, which status, which field, and the sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from vram import errors
from vram.errors import InputError, VramError

PREFIX = "/api/v1/"
#: where each kind is described; a problem's `type` is its place
PLACE = f"{PREFIX}problems/"
MEDIA_TYPE = "application/problem+json"
#: kinds that are the protocol's, and not the library's
_OF_HTTP: Mapping[str, tuple[HTTPStatus, str]] = {
    "not-json": (HTTPStatus.BAD_REQUEST, "The body is not JSON."),
    "wrong-host": (HTTPStatus.MISDIRECTED_REQUEST, "The server is not known under that name."),
    "other-site": (HTTPStatus.FORBIDDEN, "A page of another site asks, which was not allowed."),
    "not-found": (HTTPStatus.NOT_FOUND, "There is nothing under this path."),
    "method": (HTTPStatus.METHOD_NOT_ALLOWED, "This path is asked by another method."),
    "media-type": (HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Only JSON of a stated length is taken."),
    "too-large": (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The question is larger than any that is taken."),
    "busy": (HTTPStatus.SERVICE_UNAVAILABLE, "Too many questions are being answered; ask again in a moment."),
    "bug": (HTTPStatus.INTERNAL_SERVER_ERROR, "This is a bug in vram; its terminal says more."),
}


#: what the library's own kinds are; of one that is newer, its own words
_TITLES: Mapping[str, str] = {
    "input": "A value that is not possible.",
    "unknown-name": "A name that is none of the known ones.",
    "parallelism": "A parallel size that vLLM refuses.",
    "model-not-found": "There is no such model, or it cannot be had.",
    "checkpoint": "A file of the model is missing or broken.",
    "quantization": "A quantization that is not to be had, or contradicts the model's.",
    "remote-code": "The model needs code of its repository, which is not run here.",
    "log": "A start-up log that cannot be read, or says nothing.",
}


@lru_cache(maxsize=1)
def kinds() -> Mapping[str, tuple[HTTPStatus, str]]:
    """Every kind of problem: its status, and what it is."""
    found = dict(_OF_HTTP)
    for one in vars(errors).values():
        if isinstance(one, type) and issubclass(one, VramError) and one is not VramError:
            kind = _kind_of(one)
            title = _TITLES.get(kind) or (one.__doc__ or "").partition(" data:")[0].strip()
            found[kind] = (HTTPStatus.UNPROCESSABLE_ENTITY, title)
    return found


def problem(kind: str, detail: str = "", field: str = "") -> dict[str, Any]:
    """One problem; `detail` is its sentence, `field` the field of the question that it is about."""
    status, title = kinds()[kind]
    told = {"type": PLACE + kind, "title": title, "status": int(status), "detail": detail or title}
    return {**told, "field": field} if field else told


def problem_of(error: VramError) -> dict[str, Any]:
    """What the library refuses, with its sentence."""
    known = next((one for one in type(error).__mro__ if _kind_of(one) in kinds()), InputError)
    return problem(_kind_of(known), str(error), _field_of(error))


def _kind_of(error: type) -> str:
    """ "unknown-name" of UnknownNameError."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", error.__name__.removesuffix("Error")).lower()


def _field_of(error: VramError) -> str:
    """The name of the field, where the error carries one."""
    data = error.data
    if isinstance(error, errors.UnknownNameError):
        kind = str(data.get("kind", ""))
        return str(data.get("name")) if kind in ("field", "engine argument") else _FIELDS.get(kind, "")
    if isinstance(error, errors.ParallelismError):
        return "tensor_parallel_size"
    if isinstance(error, errors.ModelNotFoundError):
        return "model"
    name = str(data.get("name", "")) if isinstance(error, InputError) else ""
    return name.lstrip("-").replace("-", "_") if re.fullmatch(r"-*[a-z][\w.-]*", name) else ""


_FIELDS = {
    "GPU": "gpu",
    "profile": "profile",
    "KV cache dtype": "kv_cache_dtype",
    "quantization method": "quantization",
    "order": "sort",
}
