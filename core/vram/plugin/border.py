"""The border that everything of a plugin crosses once: held against its contract, and whose fault it is in one sentence.

A record that a hook gave is checked when it is taken in; one with methods is handed on as a `Guarded`, which checks what
each method of its contract gives. The run and `vram plugins check` meet the same border, so neither accepts what the other
refuses. A VramError that a plugin raises is an answer and goes through.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import lru_cache
from itertools import islice
from types import FunctionType
from typing import Any

from vram.errors import CheckpointError, VramError
from vram.models.config import ModelConfig
from vram.plugin.annotations import meant
from vram.plugin.blame import Origin
from vram.plugin.conform import Check, annotation_of, at, check_of, problem_of, rule_problem
from vram.plugin.naming import names_problem

#: what a method may give one after the other; nobody's answer has more
_MOST_GIVEN = 100_000
#: contracts whose records go on behind the border, with what their methods give
_CARRIED = ("Quantization", "Format")


class Guarded:
    """A plugin's record behind the border: itself in all respects, but that its contract's methods are held to what they give."""

    __slots__ = ("_calls", "_contract", "_kept", "_label", "_origin", "_record")

    def __init__(self, record: Any, contract: type, origin: Origin) -> None:
        self._record, self._contract, self._origin = record, contract, origin
        self._label = str(getattr(record, "name", None) or type(record).__name__)
        self._calls: dict[str, Callable[..., Any]] = {}
        self._kept: dict[Any, Guarded] = {}

    @property  # type: ignore[misc]
    def __class__(self) -> Any:  # what it is to isinstance
        return type(self._record)

    def __getattr__(self, name: str) -> Any:
        call = self._calls.get(name)
        if call is not None:
            return call
        value = getattr(self._record, name)
        check = _methods(self._contract).get(name)
        if check is None:
            return value
        self._calls[name] = self._checked(name, value, check)
        return self._calls[name]

    def __eq__(self, other: object) -> bool:
        return bool(self._record == (other._record if type(other) is Guarded else other))

    def __hash__(self) -> int:
        return hash(self._record)

    def __repr__(self) -> str:
        return repr(self._record)

    def _checked(self, name: str, method: Callable[..., Any], check: Check) -> Callable[..., Any]:
        contract, what = self._contract.__name__, f"{self._label}.{name}"
        from vram.plugin.plausible import PLAUSIBLE, unsaid

        plausible = PLAUSIBLE.get((contract, name), unsaid)

        def call(*args: Any, **named: Any) -> Any:
            with self._origin.blamed(what):
                given = method(*args, **named)
                if _is_loose(given):
                    given = tuple(islice(given, _MOST_GIVEN))
            fault = check(given)
            if fault is not None:
                raise self._at_fault(f"{what} {_told(given, fault)}", args)
            with self._origin.blamed(what):
                sentence = next(plausible(self._record, *args, given=given), None)
            if sentence is not None:
                raise self._at_fault(f"{what} {sentence}", args)
            return self._carried(given, what)

        return call

    def _at_fault(self, problem: str, args: tuple[Any, ...]) -> VramError:
        """A third party's mistake; of a built-in, which the tests hold against vLLM, the config's, which then is of no model."""
        config = next((one for one in args if isinstance(one, ModelConfig)), None)
        if config is None or not self._origin.is_ours:
            return self._origin.error(problem)
        return CheckpointError(path=config.path, problem=f"describes no model that there can be: {problem}")

    def _carried(self, given: Any, what: str) -> Any:
        """What goes on behind the border with what a method gave: a quantization with its formats."""
        contract = next((base for base in type(given).__mro__ if base.__name__ in _CARRIED and _ours(base)), None)
        if contract is None:
            return given
        with self._origin.blamed(what):
            kept = self._kept.get(given)  # of formats: a model's layers are grouped by them
            fault = attributes_problem(given, contract) if kept is None else None
        if fault is not None:
            raise self._origin.error(f"{what} gives a {type(given).__name__} {fault}")
        if kept is None:
            kept = Guarded(given, contract, self._origin)
            if contract.__name__ == "Format":
                self._kept[given] = kept
        return kept


def _ours(kind: type) -> bool:
    return kind.__module__.startswith("vram.models.")


def _is_loose(given: object) -> bool:
    """Whether it gives its items once, or slowly: a generator, a map."""
    return isinstance(given, Iterator) and not isinstance(given, Collection)


def _told(given: object, fault: str) -> str:
    if fault.startswith("must be "):
        return f"must give {fault.removeprefix('must be ')}"
    return f"gives {type(given).__name__}{fault}"


@lru_cache(maxsize=64)
def _methods(contract: type) -> dict[str, Check]:
    """The methods of a contract with the check of what each gives, fields that are called among them."""
    found: dict[str, Check] = {}
    for base in reversed(contract.__mro__):
        for name, value in vars(base).items():
            if isinstance(value, FunctionType) and not name.startswith("_") and "return" in value.__annotations__:
                found[name] = _given_check(value.__annotations__["return"], base.__module__)
        for name, annotation in vars(base).get("__annotations__", {}).items():
            if str(annotation).startswith("Callable["):
                gives = typing.get_args(meant(annotation, base.__module__))[1]
                found[name] = _given_check(gives, base.__module__)
    return found


def _given_check(annotation: Any, module: str) -> Check:
    """That of what is given one after the other is of a tuple of it."""
    if isinstance(annotation, str):
        annotation = meant(annotation, module)
    if typing.get_origin(annotation) is Iterable:
        many = check_of(tuple[typing.get_args(annotation)[0], ...])  # type: ignore[misc]
        return lambda given: many(tuple(given) if isinstance(given, list | set | frozenset) else given)
    return check_of(annotation)


def attributes_problem(record: Any, contract: type) -> str | None:
    """What is wrong with what a record is told to have, as the rest of a sentence; None where nothing is."""
    if hasattr(contract, "__record_fields__"):
        found = problem_of(record) or ""
        return f"whose {found[1:]}" if found.startswith(".") else found.removeprefix(", ") or None
    for name, check in _told_to_have(record.__class__):
        if not hasattr(record, name):
            return f"without a {name}"
        fault = check(getattr(record, name))
        if fault is not None:
            return at(f"whose {name}", fault)
    return (rule_problem(record) or "").removeprefix(", ") or None


@lru_cache(maxsize=512)
def _told_to_have(kind: Any) -> tuple[tuple[str, Check], ...]:
    """The attributes that our classes behind a plugin's say it has; a plugin's further ones are its own matter."""
    ours = (
        base for base in kind.__mro__ if base.__module__.startswith("vram.") and "__record_fields__" not in vars(base)
    )
    names = {name for base in ours for name in vars(base).get("__annotations__", {}) if not name.startswith("_")}
    return tuple((name, annotation_of(kind, name)) for name in sorted(names))


def admitted(record: Any, contract: type, names: Callable[[Any], Iterable[object]], origin: Origin) -> Any:
    """A hook's record as the rest of the program gets it. Raises PluginError, saying what is wrong with it."""
    if not isinstance(record, contract):
        raise origin.error(f"gives a {type(record).__name__}, not a {contract.__name__}")
    label = f"{contract.__name__} {getattr(record, 'name', '') or type(record).__name__}"
    with origin.blamed(label):
        fault = attributes_problem(record, contract)
        if fault is None:
            claimed = list(names(record))
            fault = names_problem(claimed) if claimed else "that answers for no name"
    if fault is not None:
        raise origin.error(f"gives a {label} {fault}")
    return Guarded(record, contract, origin) if _methods_guarded(contract) else record


@lru_cache(maxsize=64)
def _methods_guarded(contract: type) -> bool:
    """Whether records of a contract are asked by methods that plugins write: not plain data, though it may reckon."""
    return bool(getattr(contract, "__abstractmethods__", ())) or contract.__name__ == "GpuDetector"
