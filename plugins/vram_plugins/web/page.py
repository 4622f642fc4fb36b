"""The page itself: the sentence, its fields, the tabs, and the answer that is there when it is first painted."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from vram.report import Markup, join, tag
from vram_plugins.web.fields import BY_HAND, HIDDEN, MORE, RUN, SENTENCE, SIZES, TABLE, VIEWS, WORK, Field, differing
from vram_plugins.web.keys import TRUE, link
from vram_plugins.web.reading import printed, readings

_LONGER = frozenset({"flags", "prices"})


def page_html(
    state: Mapping[str, str], *, title: str, answer: Markup, longest: int | None = None, head: Markup | None = None
) -> str:
    """The whole document. `answer` is what the open tab shows, `longest` the context at which the slider ends; `head` is added to
    the document's head.
    """
    view, fields = state.get("view", ""), printed(state)
    main = tag(
        "main",
        _form(fields),
        tag("p", id="status", role="status", aria_live="polite"),
        tag("p", id="told", role="status", class_="hidden"),
        tag("div", answer, id="answer", data_longest=longest),
        tag("div", id="details"),
        class_="page",
    )
    body = tag("body", _top(fields, view), main, class_=f"view-{view or 'answer'}")
    return f"<!doctype html>\n{tag('html', _head(title, head or Markup()), body, lang='en')}\n"


def _head(title: str, more: Markup) -> Markup:
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        more,
        tag("title", title),
        tag("link", rel="stylesheet", href="report.css"),
        tag("link", rel="stylesheet", href="style.css"),
        tag("link", rel="icon", href="icon.svg", type="image/svg+xml"),
        tag("script", src="app.js", defer=True),
    )


def _form(state: dict[str, str]) -> Markup:
    """Every field of the state; of those that a tab does not use, the style sheet shows none."""
    lists = join((tag("datalist", id="models"), tag("datalist", id="gpus-list")))
    parts = (_sentence(state), _folded(state), _work(state), _checking(state), _hidden(state), lists)
    asked = tag("noscript", tag("button", "Ask"))
    return tag("form", *parts, asked, id="form", autocomplete="off", aria_label="Question")


def _top(state: dict[str, str], view: str) -> Markup:
    """The name and the tabs; each is a link, so that it can be opened, sent and gone back from."""
    tabs = [
        tag("a", words, href=link(state, {"view": name, "sort": ""}), id=f"tab-{name or 'answer'}",
            aria_current="page" if name == view else None)
        for name, words in VIEWS.items()
    ]  # fmt: skip
    skip = tag("a", "To the answer", href="#answer", class_="skip")
    return tag("header", skip, tag("h1", "vram"), tag("nav", *tabs, aria_label="Tabs"), class_="top")


def _sentence(state: dict[str, str]) -> Markup:
    """The question as a sentence, each blank of it a field."""
    model, gpus, gpu, context, users = SENTENCE
    sizes = [state.get(name, "") for name in SIZES]
    count = prod(int(size) for size in sizes if size.isdecimal() and len(size) < 5)
    step = tag("span",
               tag("button", "−", type="button", id="fewer", aria_label="Fewer GPUs"),
               _input(gpus, state, size=2, inputmode="numeric", placeholder=str(count)),
               tag("button", "+", type="button", id="more-gpus", aria_label="More GPUs"), class_="stepper")  # fmt: skip
    where = tag(
        "span", tag("span", "run on "), _slot(gpus, step), tag("span", " × "),
        _slot(gpu, _input(gpu, state, size=16, list="gpus-list", spellcheck="false")), class_="where",
    )  # fmt: skip
    words = tag(
        "div",
        tag("span", "Does ", class_="asked-here"), tag("span", "What runs ", class_="asked-anywhere"),
        _slot(model, _input(model, state, size=26, list="models", spellcheck="false")), where,
        tag("span", " for "), _slot(context, _input(context, state, size=9, inputmode="numeric", placeholder="its longest")),
        tag("span", " tokens × "), _slot(users, _input(users, state, size=6, inputmode="numeric", placeholder="1")),
        tag("span", " users?"),
        class_="sentence",
    )  # fmt: skip
    sliders = tag(
        "div", _slider("context-slider", "Context", 400), _slider("users-slider", "Users", 120), class_="sliders"
    )
    return tag("div", words, sliders, class_="asking")


def _slider(name: str, words: str, steps: int) -> Markup:
    slider = tag("input", id=name, type="range", min=0, max=steps, step=1, value=0)
    return tag("label", tag("span", words), slider, class_="slider")


def _slot(field: Field, content: Markup) -> Markup:
    """A field of the sentence, with what is said of it below."""
    label = tag("label", field.label, for_=field.name, class_="hidden")
    return tag("span", label, content, id=f"field-{field.name}", class_="slot field")


def _folded(state: dict[str, str]) -> Markup:
    differs = differing(state)
    told = tag("span", differs, id="differs")
    reset = tag("p", tag("a", "Start over", href="?", id="reset", class_="use"))
    hand = tag("details", tag("summary", "A model by its dimensions"), tag("div", *_all(BY_HAND, state), class_="fields"),
               id="hand", open=any(state.get(field.name) for field in BY_HAND))  # fmt: skip
    return tag(
        "details",
        tag("summary", "More ", told),
        tag("div", *_all(MORE, state), class_="fields"),
        hand,
        reset,
        id="more",
    )


def _work(state: dict[str, str]) -> Markup:
    """What a recommendation and a table of GPUs are for."""
    table = tag("div", *_all(TABLE, state), class_="fields only-gpus")
    run = tag("div", *_all(RUN, state), class_="fields only-run")
    return tag(
        "fieldset",
        tag("legend", "For which work"),
        tag("div", *_all(WORK, state), class_="fields"),
        table,
        run,
        class_="work",
    )


def _checking(state: dict[str, str]) -> Markup:
    """One box for everything that somebody may have."""
    words = "A command, a deployment file or a start-up log of vLLM"
    gpu = tag("input", id="check-gpu", list="gpus-list", spellcheck="false", value=state.get("gpu"))
    return tag(
        "fieldset",
        tag("legend", "What you have"),
        tag("div", tag("label", words, for_="pasted"), tag("textarea", id="pasted", rows=9, spellcheck="false"),
            id="field-pasted", class_="field"),
        tag("div",
            tag("div", tag("label", "Or open a file (at most 1 MiB)", for_="pasted-file"),
                tag("input", id="pasted-file", type="file"), class_="field"),
            tag("div", tag("label", "GPU, where it names none", for_="check-gpu"), gpu, class_="field"), class_="fields"),
        tag("p", tag("button", "Check it", type="button", id="check", class_="main")),
        class_="checking",
    )  # fmt: skip


def _all(fields: tuple[Field, ...], state: dict[str, str]) -> list[Markup]:
    return [_labelled(field, state) for field in fields]


def _labelled(field: Field, state: dict[str, str]) -> Markup:
    if field.kind == "switch":
        on = state.get(field.name, "").lower() in TRUE
        box = tag("input", id=field.name, name=field.name, type="checkbox", value="1", checked=on)
        return tag("div", tag("label", box, " ", field.label), id=f"field-{field.name}", class_="field check")
    label = tag("label", field.label, for_=field.name)
    wide = " wide" if field.name in _LONGER else ""
    return tag("div", label, _input(field, state), id=f"field-{field.name}", class_=f"field{wide}")


def _input(field: Field, state: dict[str, str], **more: object) -> Markup:
    value = state.get(field.name, "")
    said = readings({field.name: value}).get(field.name)
    described = tag("small", f"= {said}" if said else "", id=f"said-{field.name}", class_="said")
    common = {"id": field.name, "name": field.name, "aria_describedby": f"said-{field.name}"}
    if field.kind == "choice":
        choices = dict.fromkeys((*field.choices, *((value,) if value else ())))
        options = [tag("option", one, value=one, selected=one == value) for one in choices]
        return join((tag("select", tag("option", field.unset, value=""), *options, **common), described))
    if field.name == "prices":
        hint = "H100 = 2.49\nL40S = 0.86"
        return join((tag("textarea", value, rows=3, placeholder=hint, spellcheck="false", **common), described))
    numeric = {"count": "numeric", "number": "decimal"}.get(field.kind)
    asked = {"inputmode": numeric, "placeholder": field.unset or None, **common, **more}
    return join((tag("input", value=value or None, **asked), described))


def _hidden(state: Mapping[str, str]) -> Markup:
    """What no field shows: the tab, the sorting, the inverse question."""
    return join(tag("input", type="hidden", name=field.name, value=state.get(field.name)) for field in HIDDEN)
