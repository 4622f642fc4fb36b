"""From an address to what is sent: the same for the server and for a copy of the page that needs none."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from http import HTTPStatus
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qsl, quote

from vram.checkpoint import models_only_from
from vram.errors import InputError, VramError
from vram.models.record import field, frozen
from vram.report import STYLE_FILE, Markup, headline, join, tag
from vram_plugins.web.answers import Shown, additions_of, shown
from vram_plugins.web.card import card_markup
from vram_plugins.web.chips import chips_of
from vram_plugins.web.fields import VIEWS, differing, with_defaults
from vram_plugins.web.inverse import inverse_of
from vram_plugins.web.keys import ADDRESS, link, read_address
from vram_plugins.web.reading import printed, readings
from vram_plugins.web.standing import with_standing
from vram_plugins.web.words import told

STATIC = {
    "/app.js": ("app.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
    "/style.css": ("style.css", "text/css"),
}
_MOST_FIELDS = 64
_NAME = "vram: will it start, and what will it hold?"

Pairs = Iterable[tuple[str, str]]


@frozen(kw_only=True)
class Reply:
    """What is sent back."""

    status: HTTPStatus
    kind: str
    content: bytes
    headers: Mapping[str, str] = field(factory=dict)


def got(path: str, pairs: Pairs, *, local_paths: bool = True) -> Reply | None:
    """The reply to a GET; None where there is nothing. Errors of what was asked are replies that name the field."""
    pairs = tuple(pairs)
    try:
        if path == "/":
            return Reply(status=HTTPStatus.OK, kind="text/html", content=_page(pairs, local_paths=local_paths).encode())
        if path in STATIC:
            name, kind = STATIC[path]
            content = files("vram_plugins.web").joinpath("static", name).read_bytes()
            return Reply(status=HTTPStatus.OK, kind=kind, content=content)
        if path == "/report.css":
            return Reply(status=HTTPStatus.OK, kind="text/css", content=STYLE_FILE.read_bytes())
        if path == "/api/choices":
            from vram_plugins.web.choices import choices

            return _json(HTTPStatus.OK, choices())
        if path in _QUESTIONS:
            with _files(local_paths=local_paths):
                return _json(HTTPStatus.OK, _QUESTIONS[path](read_address(pairs), local_paths=local_paths))
        if path.startswith("/download/"):
            return _download(path.removeprefix("/download/"), read_address(pairs), local_paths=local_paths)
    except VramError as error:
        return _refused(error)
    return None


def fields_in(query: str) -> Pairs:
    """What an address says, of which nobody needs more than so many fields."""
    return parse_qsl(query, keep_blank_values=True)[:_MOST_FIELDS]


def posted(path: str, raw: bytes, *, local_paths: bool = True) -> Reply | None:
    """The reply to a POST of JSON; None where there is nothing."""
    if path not in {"/api/command", "/api/check"}:
        return None
    from vram_plugins.web.pasted import PASTED, checked_markup, told_of

    place = "command" if path == "/api/command" else PASTED
    try:
        body = json.loads(raw)
        if not isinstance(body, dict):
            raise InputError(name=place, value=None, problem="is not a JSON object")
        if path == "/api/command":
            return _json(HTTPStatus.OK, told_of(body))
        with _files(local_paths=local_paths):
            return _json(HTTPStatus.OK, {"html": checked_markup(body, local_paths=local_paths)})
    except VramError as error:
        own = type(error) is InputError and error.data["name"] == PASTED
        problem = str(error.data["problem"]) if own else str(error)
        sentence = f"{problem[:1].upper()}{problem[1:].rstrip('.')}." if own else str(error)
        return _json(HTTPStatus.UNPROCESSABLE_ENTITY, {"field": place, "error": sentence, "near": []})
    except (ValueError, RecursionError):
        return _json(HTTPStatus.BAD_REQUEST, {"field": place, "error": f"{place}: is not JSON."})


def _files(*, local_paths: bool) -> AbstractContextManager[None]:
    """Whatever a question, a manifest or a log names: for others than this machine's user no file of it is a model."""
    return nullcontext() if local_paths else models_only_from()


def _page(pairs: Pairs, *, local_paths: bool) -> str:
    """The whole page: with its answer where that needs no network, else the page's script asks for it."""
    from vram_plugins.web.page import page_html

    try:
        state = with_defaults(read_address(pairs))
    except VramError as error:
        return page_html({}, title=_NAME, answer=_misread(error))
    if state.get("view", "") or not _at_hand(state, local_paths=local_paths):
        return page_html(state, title=_NAME, answer=Markup())
    try:
        found = shown(state, local_paths=local_paths)
        card = _card(found, local_paths=local_paths)
    except VramError:
        return page_html(state, title=_NAME, answer=Markup())  # the script asks again, and has a place for the error
    return page_html(state, title=title_of(found), answer=card, longest=found.longest)


def _misread(error: VramError) -> Markup:
    """An address that cannot be read is no question; nothing of it is silently left out."""
    words = (
        tag("p", told(error).sentence),
        tag("p", tag("a", "Start with a question that is known", href="?", class_="use")),
    )
    return tag(
        "section",
        tag("h2", "This link cannot be read", id="verdict", tabindex="-1", class_="verdict"),
        *words,
        class_="card bad",
        role="alert",
    )


def _at_hand(state: Mapping[str, str], *, local_paths: bool) -> bool:
    """Whether the model's facts are here."""
    import os

    from vram.checkpoint import find, id_named

    model = state.get("model", "")
    here = local_paths and os.path.exists(os.path.expanduser(model))
    return not model or here or find(model) is not None or id_named(model) is not None


def title_of(found: Shown) -> str:
    """Model, GPU and verdict, for the tab of the browser."""
    facts = found.estimate.deployment
    ranks = facts.tensor_parallel_size * facts.pipeline_parallel_size * facts.data_parallel_size
    name = found.estimate.model.id.rpartition("/")[2]
    return f"{name} on {f'{ranks} × ' if ranks > 1 else ''}{facts.gpu}: {headline(found.estimate).text}"


def _told(state: Mapping[str, str], title: str, html: Markup, **more: Any) -> dict[str, Any]:
    """What the script needs beside the markup: the fields as they are read, and what is said of them."""
    fields = dict(state)
    tabs = {name or "answer": link(fields, {"view": name, "sort": ""}) for name in VIEWS}
    told = {
        "title": title,
        "html": html,
        "set": printed(fields),
        "said": readings(fields),
        "differs": differing(fields),
        "tabs": tabs,
    }
    return {**told, **more}


def _answer(state: dict[str, str], *, local_paths: bool) -> dict[str, Any]:
    state = with_defaults(state)
    found = shown(state, local_paths=local_paths)
    return _told(state, title_of(found), _card(found, local_paths=local_paths), longest=found.longest)


def _card(found: Shown, *, local_paths: bool) -> Markup:
    """The answer of a tab of its own."""
    return card_markup(found, chips_of(found), inverse_of(found, local_paths=local_paths))


def _details(state: dict[str, str], *, local_paths: bool) -> dict[str, Any]:
    from vram_plugins.web.details import details_markup

    return {"html": details_markup(shown(with_defaults(state), local_paths=local_paths))}


def _estimate(state: dict[str, str], *, local_paths: bool) -> dict[str, Any]:
    """Everything of one state, for programs: the answer's markup and numbers. What is not said is an error here."""
    from vram.models.record import plain
    from vram_plugins.web.details import details_markup

    found = shown(state, local_paths=local_paths)
    card = _card(found, local_paths=local_paths)
    return {
        "html": join((card, details_markup(found))),
        "estimate": found.estimate.to_dict(),
        "additions": [plain(one) for one in additions_of(found)],
        "longest": found.longest,
    }


def _gpus(state: dict[str, str], *, local_paths: bool) -> dict[str, Any]:
    from vram_plugins.web.gpus import gpus_markup

    state = with_defaults(state)
    table = with_standing(lambda: gpus_markup(state, local_paths=local_paths))
    return _told(state, f"Which GPU for {state.get('model', 'this model')}", table)


def _plan(state: dict[str, str], *, local_paths: bool) -> dict[str, Any]:
    from vram_plugins.web.advice import plan_markup

    state = with_defaults(state)
    html = with_standing(lambda: plan_markup(state, local_paths=local_paths))
    return _told(state, f"How to run {state.get('model', 'this model')}", html)


def _check(state: dict[str, str], *, local_paths: bool) -> dict[str, Any]:
    """The tab before anything is pasted."""
    del local_paths
    return _told(with_defaults(state), "Check what I have", Markup())


_QUESTIONS = {
    "/api/answer": _answer, "/api/details": _details, "/api/estimate": _estimate, "/api/compare": _gpus, "/api/plan": _plan,
    "/api/check": _check,
}  # fmt: skip


def _download(name: str, state: dict[str, str], *, local_paths: bool) -> Reply:
    from vram_plugins.web.downloads import download

    found = download(name, with_defaults(state), local_paths=local_paths)
    disposition = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(found.name, safe='')}"}
    return Reply(status=HTTPStatus.OK, kind=found.kind, content=found.content, headers=disposition)


def _refused(error: VramError) -> Reply:
    said = told(error)
    body = {"field": said.field, "error": said.sentence, "near": list(said.near), "address": said.field == ADDRESS}
    return _json(HTTPStatus.UNPROCESSABLE_ENTITY, body)


def _json(status: HTTPStatus, content: Mapping[str, Any]) -> Reply:
    return Reply(status=status, kind="application/json", content=json.dumps(content).encode())
