"""Whether a value is what an annotation says, all the way down through records: the first fault, as the rest of a sentence.

Records say their fields' types and contracts (`ArchitectureAdapter.build -> ModelSpec`) what their methods give: nothing is
listed a second time here. A check is made of an annotation once, when the first value is held against it.
"""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from vram.plugin.annotations import meant

#: what is wrong with a value, None where nothing is
Check = Callable[[Any], str | None]
#: what else must hold of a record: sentences
Rule = Callable[[Any], Iterable[str]]
#: larger whole numbers are nonsense, whatever they count
LARGEST = 2**63


#: what every module means by a word
_EVERYWHERE = {"int": int, "str": str, "bool": bool, "float": float}


def nothing(_: Any) -> None:
    """The check of what may be anything."""


@lru_cache(maxsize=4096)
def check_of(annotation: Any, module: str = "") -> Check:
    """The check of an annotation; of one that is text, as its `module` means it. What cannot be told passes."""
    if isinstance(annotation, str):
        plain = _EVERYWHERE.get(annotation)
        if plain is not None:
            return _plain(plain)
        try:
            return check_of(meant(annotation, module))
        except (NameError, TypeError, KeyError, SyntaxError, AttributeError):  # imported for type checkers alone
            return nothing
    origin, of = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.ClassVar:
        return check_of(of[0], module)
    if origin is typing.Literal:
        return _among(of)
    if origin in (typing.Union, types.UnionType):
        return _any_of(tuple(check_of(each) for each in of))
    if origin is tuple:
        return _every(tuple, of[0]) if of[-1] is ... else _tuple_of(tuple(map(check_of, of)))
    if origin is frozenset:
        return _every(frozenset, of[0])
    if origin is Sequence:  # what is read on use is checked by its reader
        items, many = _every((tuple, list), of[0]), _plain(Sequence)
        return lambda value: items(value) if isinstance(value, tuple | list) else many(value)
    return _plain(origin if isinstance(origin, type) else annotation)


def _plain(kind: Any) -> Check:
    if kind is int:
        return _whole
    if kind is float:
        return _number
    if kind in (None, types.NoneType):
        return lambda value: None if value is None else f"must be None, not {shown(value)}"
    if kind in (object, Any) or not isinstance(kind, type):
        return nothing
    if kind in (Mapping, Sequence, Iterable, Callable):  # one text is never meant where several things are
        return lambda value: (
            None if isinstance(value, kind) and not isinstance(value, str) else _wrong(kind.__name__, value)
        )
    if not hasattr(kind, "__record_fields__"):  # a plugin's own class behind a contract: its fields are its own
        return lambda value: None if isinstance(value, kind) else _wrong(kind.__name__, value)
    return lambda value: problem_of(value) if isinstance(value, kind) else _wrong(kind.__name__, value)


def _whole(value: Any) -> str | None:
    if type(value) is int and 0 <= value <= LARGEST:
        return None
    return f"must be a whole number from 0, not {shown(value)}"


def _number(value: Any) -> str | None:
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return None
    return f"must be a finite number, not {shown(value)}"


def _among(allowed: tuple[object, ...]) -> Check:
    def check(value: Any) -> str | None:
        if any(value is one or (type(value) is type(one) and value == one) for one in allowed):
            return None
        return f"must be {' or '.join(map(repr, allowed))}, not {shown(value)}"

    return check


def _any_of(checks: tuple[Check, ...]) -> Check:
    def check(value: Any) -> str | None:
        faults = []
        for one in checks:
            fault = one(value)
            if fault is None:
                return None
            faults.append(fault)
        deep = [fault for fault in faults if not fault.startswith("must be ")]  # the right kind, with a fault inside
        wanted = " or ".join(fault.removeprefix("must be ").rpartition(", not ")[0] for fault in faults)
        return deep[0] if deep else f"must be {wanted}, not {shown(value)}"

    return check


def _every(container: Any, kind: Any) -> Check:
    inner = check_of(kind)

    def check(value: Any) -> str | None:
        if not isinstance(value, container):
            return _wrong(container.__name__, value)
        for index, each in enumerate(value):
            fault = inner(each)
            if fault is not None:
                return at(f"[{index}]", fault)
        return None

    return check


def _tuple_of(checks: tuple[Check, ...]) -> Check:
    def check(value: Any) -> str | None:
        if not isinstance(value, tuple) or len(value) != len(checks):
            return f"must be a tuple of {len(checks)}, not {shown(value)}"
        faults = ((index, one(each)) for index, (one, each) in enumerate(zip(checks, value, strict=True)))
        return next((at(f"[{index}]", fault) for index, fault in faults if fault), None)

    return check


def problem_of(value: Any) -> str | None:
    """What is wrong with a record's fields, by their annotations and its rules; None too for what is no record."""
    for name, check in _fields_of(value.__class__):
        fault = check(getattr(value, name))
        if fault is not None:
            return at(f".{name}", fault)
    return rule_problem(value)


def rule_problem(value: Any) -> str | None:
    """What is wrong with a record by the rules of its class."""
    sentence = next((sentence for rule in _rules_of(value.__class__) for sentence in rule(value)), None)
    return sentence and f", {sentence if sentence.startswith('whose ') else f'which {sentence}'}"


@lru_cache(maxsize=512)
def _fields_of(kind: Any) -> tuple[tuple[str, Check], ...]:
    """A record's fields with the check of each; classes without fields have none."""
    fields = getattr(kind, "__record_fields__", {})
    found = ((name, annotation_of(kind, name)) for name in fields)
    return tuple((name, check) for name, check in found if check is not nothing)


def annotation_of(kind: type, name: str) -> Check:
    """The check of what a class of ours says that an attribute of it, or of a class made from it, is."""
    for base in kind.__mro__:
        annotations = vars(base).get("__annotations__", {})
        if name in annotations and base.__module__.startswith("vram."):
            return check_of(annotations[name], base.__module__)
    return nothing


@lru_cache(maxsize=512)
def _rules_of(kind: Any) -> tuple[Rule, ...]:
    from vram.plugin.rules import RULES

    names = (f"{base.__module__}.{base.__qualname__}" for base in kind.__mro__)
    return tuple(RULES[name] for name in names if name in RULES)


def at(place: str, fault: str) -> str:
    """A fault, further out: `.gpus[0].memory_bytes must be ...`."""
    return place + fault if fault[0] in ".[," else f"{place} {fault}"


def _wrong(wanted: str, value: Any) -> str:
    return f"must be a {wanted}, not {shown(value)}"


def shown(value: Any) -> str:
    """A value for a sentence, short; of a record its class."""
    if hasattr(type(value), "__record_fields__") or callable(value):
        return f"a {type(value).__name__}"
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001  its own code
        return f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."
