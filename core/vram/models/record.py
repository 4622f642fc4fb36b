"""Records: frozen, keyword-only attrs classes whose methods are written when they are first called.

attrs compiles the methods of a class where it is defined, at 0.3 to 1 ms each. An answer passes a hundred definitions and
makes objects of half of them, which was a third of its time. Here a definition takes microseconds: `__init__`, `__eq__` and
`__hash__` are compiled on first use, as attrs would, and attrs itself is imported when something asks for `attrs.fields`
(`attrs.asdict`, `attrs.evolve`, cattrs), which find what it would have made.

Type checkers see attrs; what is supported of it is what records use: defaults, factories, converters, validators (one
each), `eq` and `repr` of a field, `eq` and `cache_hash` of a class. A plugin's own classes may be plain attrs classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

__all__ = ["Field", "evolve", "field", "frozen", "plain", "record_fields"]
_FIELDS = "__record_fields__"
C = TypeVar("C", bound=type)
T = TypeVar("T")
_HASH = "_cached_hash"
_WRITTEN = "_written"
_MISSING: Any = object()


class Field:
    """One field of a record, as far as a definition says it."""

    __slots__ = ("converter", "default", "eq", "factory", "metadata", "name", "repr", "type", "validator")

    def __init__(
        self,
        default: Any = ...,
        factory: Callable[[], Any] | None = None,
        validator: Callable[[Any, Any, Any], None] | None = None,
        converter: Callable[[Any], Any] | None = None,
        eq: bool = True,
        repr: bool = True,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self.name, self.type = "", ""
        self.default, self.factory = default, factory
        self.validator, self.converter = validator, converter
        self.eq, self.repr, self.metadata = eq, repr, metadata or {}


def record_fields(record: type[Any]) -> Mapping[str, Field]:
    """The fields of a record class, inherited ones first. `default` is `...` where there is none."""
    return cast("Mapping[str, Field]", getattr(record, _FIELDS))


def plain(value: Any) -> Any:
    """Records as dicts and tuples as lists, all the way down, as JSON reads them back."""
    if hasattr(type(value), _FIELDS):
        fields = _own_fields(type(value))
        if fields is None:
            from attrs import fields as attrs_fields

            fields = {one.name: one for one in attrs_fields(type(value))}
        return {name: plain(getattr(value, name)) for name in fields}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value


def _frozen(*, kw_only: bool, eq: bool = True, cache_hash: bool = False) -> Callable[[C], C]:
    assert kw_only, "records are made by keywords alone"

    def define(cls: C) -> C:
        fields = _fields_of(cls)
        setattr(cls, _FIELDS, fields)
        body = cls.__dict__
        methods: dict[str, Any] = {"__init__": _init_later, "__repr__": _repr, "__attrs_attrs__": _AttrsLater()}
        if eq and "__eq__" not in body:
            methods |= {"__eq__": _eq_later, "__hash__": _kept_hash_later if cache_hash else _hash_later}
            methods["__getstate__"] = _state
        methods |= {"__setattr__": _refuse, "__delattr__": _refuse}
        for name, method in methods.items():
            if name not in body:
                setattr(cls, name, method)
        return cls

    return define


def _fields_of(cls: type) -> dict[str, Field]:
    """The annotated names of a class and its bases; its own take their place after the inherited ones, as in attrs."""
    fields: dict[str, Field] = {}
    for base in cls.__mro__[:0:-1]:
        fields |= base.__dict__.get(_FIELDS, {})
    own_annotations = cls.__dict__.get("__annotations__", {})  # noqa: RUF063  its import costs more than all records
    for name, annotation in own_annotations.items():
        if str(annotation).startswith(("ClassVar", "typing.ClassVar")):
            continue
        given = cls.__dict__.get(name, ...)
        own = given if isinstance(given, Field) else Field(given)
        own.name, own.type = name, annotation
        if own is given:
            delattr(cls, name)
        fields.pop(name, None)
        fields[name] = own
    return fields


def _evolve(instance: T, **changes: Any) -> T:
    """A copy with other values. Any attrs class will do."""
    kind = instance.__class__
    fields = _own_fields(kind)
    if fields is None:
        from attrs import evolve as attrs_evolve  # noqa: TID251

        return cast("T", attrs_evolve(cast("Any", instance), **changes))
    for name in changes:
        if name not in fields:
            raise TypeError(f"{kind.__name__} has no field {name!r}")
    copy = object.__new__(kind)
    put = object.__setattr__.__get__(copy)  # not into __dict__, which makes later reads slow
    for name, one in fields.items():
        if name not in changes:
            put(name, getattr(instance, name))
        else:
            put(name, changes[name] if one.converter is None else one.converter(changes[name]))
    for name in changes:  # what did not change was checked when the record was made
        check = fields[name].validator
        if check is not None:
            check(copy, fields[name], getattr(copy, name))
    return copy


if TYPE_CHECKING:
    from attrs import evolve, field, frozen  # noqa: TID251
else:
    evolve, field, frozen = _evolve, Field, _frozen


def _own_fields(kind: type) -> Mapping[str, Field] | None:
    """The fields of a record, or of a class below one that adds none; None for an attrs class, also one below a record."""
    for cls in kind.__mro__:
        if _FIELDS in cls.__dict__:
            return cast("Mapping[str, Field]", cls.__dict__[_FIELDS])
        if "__attrs_attrs__" in cls.__dict__:
            return None
    return None


def _init_later(self: Any, **given: Any) -> None:
    _written(self, "__init__", _init_later, _init_text)(self, **given)


def _eq_later(self: Any, other: object) -> Any:
    return _written(self, "__eq__", _eq_later, _eq_text)(self, other)


def _hash_later(self: Any) -> Any:
    return _written(self, "__hash__", _hash_later, _hash_text)(self)


def _kept_hash_later(self: Any) -> Any:
    return _written(self, "__hash__", _kept_hash_later, _kept_hash_text)(self)


def _written(
    self: Any, name: str, stub: Any, text: Callable[[Mapping[str, Field], dict[str, Any]], str]
) -> Callable[..., Any]:
    """The method, put in its stub's place; where another thread was here first, what it put there.

    Of the record class itself: a class below may have a method of that name which called this one.
    """
    for cls in type(self).__mro__:
        held = cls.__dict__.get(name)
        if held is stub:
            scope: dict[str, Any] = {"_setter_of": object.__setattr__.__get__, "_missing": _MISSING}
            exec(text(record_fields(cls), scope), scope)  # noqa: S102  # nosec B102  names out of our own class bodies
            held = scope[name]
            held.__qualname__ = f"{cls.__qualname__}.{name}"
            held.__dict__[_WRITTEN] = True
            setattr(cls, name, held)
        if getattr(held, "__dict__", {}).get(_WRITTEN):
            return cast("Callable[..., Any]", held)
    raise AssertionError(f"{type(self).__name__} is no record")  # stubs are put there by `frozen` alone


def _init_text(fields: Mapping[str, Field], scope: dict[str, Any]) -> str:
    parameters, lines, checks = [], [], []
    for name, one in fields.items():
        value, parameter = name, name
        if one.factory is not None:
            scope[f"_factory_{name}"] = one.factory
            value, parameter = f"_factory_{name}() if {name} is _missing else {name}", f"{name}=_missing"
        elif one.default is not ...:
            scope[f"_default_{name}"] = one.default
            parameter = f"{name}=_default_{name}"
        if one.converter is not None:
            scope[f"_converter_{name}"] = one.converter
            value = f"_converter_{name}({value})"
        if one.validator is not None:
            scope[f"_validator_{name}"], scope[f"_field_{name}"] = one.validator, one
            checks.append(f" _validator_{name}(self, _field_{name}, self.{name})")
        parameters.append(parameter)
        lines.append(f" _set({name!r}, {value})")
    head = f"def __init__(self, *, {', '.join(parameters)}):" if parameters else "def __init__(self):"
    return "\n".join([head, " _set = _setter_of(self)", *lines, *checks])


def _eq_text(fields: Mapping[str, Field], _: dict[str, Any]) -> str:
    mine, others = (_values(fields, whose) for whose in ("self", "other"))
    return (
        f"def __eq__(self, other):\n return {mine} == {others} if other.__class__ is self.__class__ else NotImplemented"
    )


def _hash_text(fields: Mapping[str, Field], _: dict[str, Any]) -> str:
    return f"def __hash__(self):\n return hash({_values(fields, 'self')})"


def _kept_hash_text(fields: Mapping[str, Field], _: dict[str, Any]) -> str:
    return (
        f"def __hash__(self):\n try:\n  return self.{_HASH}\n except AttributeError:\n"
        f"  found = hash({_values(fields, 'self')})\n  _setter_of(self)({_HASH!r}, found)\n  return found"
    )


def _values(fields: Mapping[str, Field], whose: str) -> str:
    return f"({' '.join(f'{whose}.{name},' for name, one in fields.items() if one.eq)})"


def _state(self: Any) -> dict[str, Any]:
    """Without the hash: another process hashes text differently."""
    return {name: value for name, value in vars(self).items() if name != _HASH}


def _repr(self: Any) -> str:
    shown = (f"{name}={getattr(self, name)!r}" for name, one in record_fields(type(self)).items() if one.repr)
    return f"{type(self).__qualname__.rpartition('>.')[2]}({', '.join(shown)})"


def _refuse(_: Any, *__: Any) -> None:
    from attrs.exceptions import FrozenInstanceError

    raise FrozenInstanceError


class _AttrsLater:
    """What `attrs.fields` reads, made by attrs for a class of the same fields when it is first read."""

    def __get__(self, _: Any, record: type[Any]) -> Any:
        import attrs

        def told(one: Field) -> Any:
            given = {name: getattr(one, name) for name in ("validator", "converter", "eq", "repr", "type", "metadata")}
            if one.factory is not None:
                given["factory"] = one.factory
            elif one.default is not ...:
                given["default"] = one.default
            return attrs.field(**given)

        own = {name: told(one) for name, one in record_fields(record).items()}
        found = attrs.fields(attrs.make_class(record.__name__, own, kw_only=True, frozen=True))
        record.__attrs_attrs__ = found
        return found
