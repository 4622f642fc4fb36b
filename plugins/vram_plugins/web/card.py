"""The answer as one card: verdict, reason, memory bar, figures, and changes that are ready to be taken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vram.models.estimate import Estimate
from vram.report import Markup, bars_of, headline, join, tag
from vram.units import format_gib
from vram_plugins.web.answers import Shown
from vram_plugins.web.chips import Chip
from vram_plugins.web.inverse import Inverse
from vram_plugins.web.keys import link
from vram_plugins.web.standing import standing_markup

_MARKS = {"good": "✓", "warn": "!", "bad": "✗", "plain": ""}
_BAR = 1000  # units of the bar's width, whatever it is on the screen


def card_markup(found: Shown, chips: Iterable[Chip], inverse: Inverse | None = None, *, part: str = "") -> Markup:
    """The whole card; `part` tells apart those of one page."""
    head = headline(found.estimate)
    mark = tag("span", _MARKS[head.tone], class_="mark", aria_hidden="true")
    return tag(
        "section",
        tag("h2", mark, head.text, id=f"verdict{part}", tabindex="-1", class_="verdict"),
        tag("p", head.detail, class_="about"),
        standing_markup() if found.estimate.model.stands_in else "",
        _reasons(found.estimate),
        _inverse(found, inverse) if inverse else "",
        bar_markup(found.estimate),
        _figures(found),
        _asks(found, part),
        _ready(found, tuple(chips), part),
        _warnings(found.estimate),
        class_=f"card {head.tone}",
        aria_labelledby=f"verdict{part}",
    )


def bar_markup(estimate: Estimate) -> Markup:
    """Memory per GPU as a bar as wide as the page, and what each colour is, with its size."""
    bars, budget, total = bars_of(estimate), estimate.memory.budget_bytes, estimate.deployment.gpu_memory_bytes
    whole = max(total, *(bar.total for bar in bars))
    drawn: list[Markup] = []
    sizes: dict[str, tuple[str, int]] = {}
    for bar in bars:
        start, rects = 0, []
        for segment in bar.segments:
            left, width = start * _BAR / whole, max(1.0, segment.bytes * _BAR / whole)
            said = tag("title", f"{segment.name} {format_gib(segment.bytes)}")
            rects.append(tag("rect", said, x=left, y=4, width=width, height=24, class_=f"s-{segment.key}"))
            start += segment.bytes
            sizes[segment.key] = (segment.name, max(segment.bytes, sizes.get(segment.key, ("", 0))[1]))
        rects += [tag("line", x1=at * _BAR / whole, x2=at * _BAR / whole, y1=0, y2=32, class_=kind)
                  for at, kind in ((budget, "budget"), (total, "edge"))]  # fmt: skip
        told = f"Memory of {bar.name}: {format_gib(bar.total)} of a budget of {format_gib(budget)}"
        box = {"viewBox": f"0 0 {_BAR} 32", "preserveAspectRatio": "none"}
        drawn.append(tag("svg", tag("title", told), *rects, role="img", class_="bar chart", **box))
    keys = [key_markup(key, f"{name} {format_gib(size)}") for key, (name, size) in sizes.items()]
    limits = f"budget {format_gib(budget)} (dashed) of the GPU's {format_gib(total)}"
    return join((*drawn, tag("p", *keys, tag("span", limits), class_="legend")))


def key_markup(colour: str, words: str) -> Markup:
    """What a colour is."""
    swatch = tag("svg", tag("rect", width=10, height=10, class_=f"s-{colour}"), viewBox="0 0 10 10", class_="swatch",
                 aria_hidden="true")  # fmt: skip
    return tag("span", swatch, words)


def _reasons(estimate: Estimate) -> Markup:
    failed = [tag("li", f"{check.message}.") for check in estimate.verdict.checks if not check.passed]
    none = estimate.verdict.no_change
    return join((tag("ul", *failed, class_="reasons") if failed else "", tag("p", none) if none else ""))


def _warnings(estimate: Estimate) -> Markup:
    notes = dict.fromkeys((*estimate.verdict.warnings, *estimate.left_out, *estimate.assumed))
    return tag("ul", *(tag("li", note) for note in notes), class_="notes") if notes else Markup()


def _inverse(found: Shown, one: Inverse) -> Markup:
    button = tag("a", "Use it", href=link(found.state, {**one.changes, "ask": ""}), class_="use") if one.changes else ""
    return tag("p", one.sentence, " ", button, class_="inverse")


def _figures(found: Shown) -> Markup:
    """What it holds and how fast; nothing of what does not start."""
    pairs = [tag("div", tag("dt", name), tag("dd", value)) for name, value in _facts(found)]
    return tag("dl", *pairs, class_="figures") if pairs else Markup()


def _facts(found: Shown) -> Iterator[tuple[str, Markup]]:
    estimate, speed = found.estimate, found.speed
    facts, limits = estimate.deployment, estimate.limits
    if speed is not None:
        each, first, whole = speed.output_tokens_per_s_per_user, speed.ttft_ms, speed.output_tokens_per_s
        load = speed.workload
        about = f"estimate for {load.prompt_tokens:,} tokens in, {load.gen_tokens:,} out"
        yield (
            "Tokens/s, each user",
            _figure(f"{each.expected:,.0f}", f"{each.low:,.0f} … {each.high:,.0f}; {about}"),
        )
        yield "First token after", _figure(_seconds(first.expected), f"{_seconds(first.low)} … {_seconds(first.high)}")
        if load.concurrency > 1:
            yield "Tokens/s, all users", _figure(f"{whole.expected:,.0f}", f"{whole.low:,.0f} … {whole.high:,.0f}")
    if estimate.kv_cache.groups and limits.max_context_at_concurrency and estimate.verdict.starts:
        length, users = limits.max_context_at_concurrency, limits.max_concurrency_at_context
        yield "Longest context", _figure(f"{length:,}", f"tokens each, {facts.concurrency:,} at once")
        if users:
            yield "Most users", _figure(f"{users:,}", f"at once, {facts.max_model_len:,} tokens each")


def _figure(value: str, about: str) -> Markup:
    return join((tag("b", value), " ", tag("small", about)))


def _seconds(milliseconds: float) -> str:
    return f"{milliseconds:,.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:,.1f} s"


def _asks(found: Shown, part: str) -> Markup:
    """The question turned around, as links."""
    asks = {
        "min-gpus": "fewest of these GPUs", "min-utilization": "smallest share of the GPU", "min-memory": "smallest memory of a GPU",
    }  # fmt: skip
    links = (
        tag("a", words, href=link(found.state, {"ask": name}), id=f"ask-{name}{part}") for name, words in asks.items()
    )
    parts = [part for one in links for part in (one, " · ")][:-1]
    return tag("p", "For the same work, the ", *parts, class_="asks")


def _ready(found: Shown, chips: tuple[Chip, ...], part: str) -> Markup:
    if not chips:
        return Markup()
    words = "It would also do" if found.surely_fits else "Starts and fits with one of these"
    items = [
        tag("li", _chip(chip, link(found.state, chip.fields), f"{number}{part}")) for number, chip in enumerate(chips)
    ]
    return join((tag("h3", words), tag("ul", *items, class_="chips")))


def _chip(chip: Chip, address: str, number: str) -> Markup:
    costs = tag("small", f"costs {chip.costs}") if chip.costs else ""
    content = (tag("b", chip.what), tag("span", chip.comes), costs)
    return tag("a", *content, href=address, class_="chip", id=f"chip-{number}")
