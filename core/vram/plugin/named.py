"""Records by name, each loaded when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping, ValuesView
from threading import RLock
from typing import Any, TypeVar

from vram.models.later import Later
from vram.models.record import field, frozen
from vram.plugin.blame import STUMBLES, Origin, silent, told
from vram.plugin.border import admitted
from vram.plugin.conform import problem_of as problem_of_record
from vram.plugin.kinds import Kind, load, problem_of

T = TypeVar("T")


@frozen(kw_only=True, eq=False)
class Claim:
    """A record that a plugin gave, or will give; where it is from, and how to say that the plugin did not keep its word."""

    record: Any = field(repr=False)
    origin: Origin
    blame: Callable[[str], None] = field(repr=False)


class Named(Mapping[str, T]):
    """What plugins gave of one kind. Names, length and `in` import nothing; `[name]` and `get` import one record's module,
    `values` and `items` all of them. A record that cannot be had is blamed on its plugin and is gone.
    """

    def __init__(self, kind: Kind, claims: Mapping[str, Claim]) -> None:
        self._kind = kind
        self._claims = dict(claims)
        self._records: dict[str, Any] = {
            name: claim.record for name, claim in claims.items() if not isinstance(claim.record, Later)
        }
        self._lock = RLock()  # re-entrant: a record's module may ask for another one

    def __getitem__(self, name: str) -> T:
        if name not in self._records:
            self._load(self._claims[name])
        found: T = self._records[name]
        return found

    def get(self, name: str, default: Any = None) -> Any:
        """The record of that name; `default` where there is none or it cannot be had."""
        found = self._records.get(name)
        if found is not None:
            return found
        try:
            return self[name]
        except KeyError:
            return default

    def __contains__(self, name: object) -> bool:
        return name in self._claims

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._claims))

    def __len__(self) -> int:
        return len(self._claims)

    def values(self) -> ValuesView[T]:
        """Every record, once per name."""
        self.load_all()
        return super().values()

    def items(self) -> ItemsView[str, T]:
        """Every name with its record."""
        self.load_all()
        return super().items()

    def load_all(self) -> None:
        """Load what is left, blaming plugins that do not keep their word."""
        for name in tuple(self._claims):
            self.get(name)

    def blame(self, name: str, error: BaseException) -> None:
        """Say that the record of that name failed when it was used; whoever asks does without it."""
        claim = self._claims[name]
        claim.blame(f"{claim.origin.hook}: {told(error)}")

    def source_of(self, name: str) -> str:
        """The plugin that gave the record of that name, with its distribution and version."""
        return self._claims[name].origin.source

    def claiming(self, name: str) -> Iterable[T]:
        """Distinct records that may take what is `name`'s: all that came as records, and those that said so before."""
        found: dict[int, T] = {}
        for own, claim in tuple(self._claims.items()):
            if not isinstance(claim.record, Later) or name in claim.record.claims:
                record = self.get(own)
                if record is not None:
                    found[id(record)] = record
        return found.values()

    def _load(self, claim: Claim) -> None:
        """Put a claim's records in their places, or take its names away."""
        with self._lock:
            later = claim.record
            mine = [name for name, each in self._claims.items() if each is claim]
            if not isinstance(later, Later) or not mine or mine[0] in self._records:
                return  # another thread was here first
            try:
                with silent(later.load):
                    records: list[Any] = load(later.load)
                problem = problem_of(self._kind, later.names, records)
                problem = problem and f"{claim.origin.hook}: {later.load} {problem}"
                if not problem:
                    taken = [admitted(record, self._kind.record, self._kind.names, claim.origin) for record in records]
            except STUMBLES as error:  # a third party's bug must not kill the command
                problem = f"{claim.origin.hook}: {later.load}: {told(error)}"
            if problem:
                claim.blame(problem)
                for name in mine:
                    del self._claims[name]
            else:
                self._records.update({name: record for record in taken for name in self._kind.names(record)})


def taken_from(
    hook: Callable[[], Iterable[Any]], kind: Kind, origin: Origin, blame: Callable[[str], None]
) -> dict[str, Claim]:
    """What a plugin's hook claims, by name, each record held against its contract. Raises PluginError, and what the hook does."""
    with silent(origin.hook):
        given = list(hook())
    claims: dict[str, Claim] = {}
    for record in given:
        if isinstance(record, Later):
            fault = problem_of_record(record)
            if fault is not None:
                raise origin.error(f"gives a Later{fault}")
            taken = record
        else:
            taken = admitted(record, kind.record, kind.names, origin)
        claim = Claim(record=taken, origin=origin, blame=blame)
        for name in kind.names_of(taken):
            other = claims.setdefault(name, claim)
            if other.record is not taken:
                raise origin.error(f"gives {kind.record_name} {name!r} twice")
    return claims
