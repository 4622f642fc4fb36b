"""Records behave as the attrs classes that type checkers take them for."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from typing import Any, ClassVar

import attrs
import pytest

from vram.models.record import evolve, field, frozen, plain


@frozen(kw_only=True)
class Point:
    """Two numbers and what is said of them."""

    dimensions: ClassVar[int] = 2
    x: int
    y: int = 0
    tags: list[str] = field(factory=list, eq=False)
    note: str = field(default="", repr=False)


@frozen(kw_only=True, cache_hash=True)
class Named(Point):
    name: str


def _positive(_: Any, attribute: attrs.Attribute[int], value: int) -> None:
    if value <= 0:
        raise ValueError(f"{attribute.name} is {value}")


@frozen(kw_only=True)
class Size:
    bytes: int = field(validator=_positive, converter=int)


@frozen(kw_only=True, eq=False)
class Identity:
    x: int


def test_a_record_has_its_fields_and_their_defaults() -> None:
    point = Point(x=1)
    assert (point.x, point.y, point.tags, point.note, Point.dimensions) == (1, 0, [], "", 2)
    assert Point(x=1).tags is not point.tags


def test_a_field_that_is_missing_or_unknown_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="'x'"):
        Point()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="'z'"):
        Point(x=1, z=2)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Point(1)  # type: ignore[misc]


def test_a_record_cannot_be_changed() -> None:
    point = Point(x=1)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        point.x = 2  # type: ignore[misc]
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        del point.x


def test_records_of_one_class_and_equal_values_are_equal_and_hash_alike() -> None:
    assert Point(x=1) == Point(x=1, tags=["not compared"])
    assert Point(x=1) != Point(x=2)
    assert Named(x=1, name="a") != Point(x=1)
    assert len({Point(x=1), Point(x=1), Named(x=1, name="a"), Named(x=1, name="a")}) == 2
    assert Identity(x=1) != Identity(x=1)


def test_a_text_of_it_shows_its_fields() -> None:
    assert repr(Point(x=1, note="secret")) == "Point(x=1, y=0, tags=[])"


def test_inherited_fields_come_first() -> None:
    assert repr(Named(x=1, name="a")) == "Named(x=1, y=0, tags=[], name='a')"


def test_values_are_converted_and_then_checked() -> None:
    assert Size(bytes="7").bytes == 7  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="bytes is 0"):
        Size(bytes=0)
    with pytest.raises(ValueError, match="bytes is -1"):
        evolve(Size(bytes=1), bytes=-1)


def test_a_copy_has_other_values() -> None:
    assert evolve(Named(x=1, name="a"), y=5) == Named(x=1, y=5, name="a")


def test_a_copy_of_a_plain_attrs_object_is_made_too() -> None:
    @attrs.frozen
    class Theirs:
        x: int

    assert evolve(Theirs(1), x=2) == Theirs(2)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_record_survives_copying_with_or_without_its_hash(copied: Any) -> None:
    named = Named(x=1, name="a")
    hash(named)
    assert copied(named) == named
    assert "_cached_hash" not in vars(copied(named))


def test_attrs_knows_a_record() -> None:
    assert attrs.has(Point)
    assert [one.name for one in attrs.fields(Named)] == ["x", "y", "tags", "note", "name"]
    assert attrs.asdict(Named(x=1, name="a")) == {"x": 1, "y": 0, "tags": [], "note": "", "name": "a"}
    assert attrs.evolve(Point(x=1), x=2) == Point(x=2)


def test_defining_and_using_records_does_not_import_attrs() -> None:
    program = (
        "import sys\n"
        "from vram.models.interval import Interval\n"
        "assert Interval.exact(3) == Interval.exact(3)\n"
        "assert not {'attr', 'attrs'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_class_below_may_have_methods_of_its_own_that_call_the_records() -> None:
    @frozen(kw_only=True)
    class Base:
        name: str

    class Wide(Base):
        def __init__(self, bits: int) -> None:
            super().__init__(name=f"w{bits}")

        def __eq__(self, other: object) -> bool:
            asked.append(other)
            return bool(super().__eq__(other))

        __hash__ = Base.__hash__

    asked: list[object] = []
    first, second = Wide(4), Wide(4)  # the first is what writes the method of the record
    assert (first.name, second.name) == ("w4", "w4")
    assert first == second
    assert len(asked) == 1
    assert hash(first) == hash(second)


def test_an_attrs_class_below_a_record_keeps_its_own_fields() -> None:
    @attrs.frozen(kw_only=True)
    class More(Point):
        extra: int

    more = More(x=1, extra=5)
    assert evolve(more, x=2) == More(x=2, extra=5)
    assert evolve(more, extra=6).extra == 6
    assert plain(more)["extra"] == 5


def test_a_copy_with_an_unknown_field_is_a_type_error_and_a_wrong_value_is_checked() -> None:
    with pytest.raises(TypeError, match="'z'"):
        evolve(Point(x=1), z=2)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="bytes is 0"):
        evolve(Size(bytes=1), bytes="0")


def test_a_record_as_json_reads_it_back() -> None:
    assert plain(Named(x=1, name="a", tags=["t"])) == {"x": 1, "y": 0, "tags": ["t"], "note": "", "name": "a"}
    assert plain((Identity(x=1), {"a": (1, 2)})) == [{"x": 1}, {"a": [1, 2]}]
