"""Records by name, each loaded when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping, ValuesView
from threading import RLock
from typing import Any, TypeVar

from vram.models.later import Later
from vram.models.record import field, frozen
from vram.plugin.blame import STUMBLES, words_of
from vram.plugin.kinds import Kind, load, problem_of

T = TypeVar("T")


@frozen(kw_only=True, eq=False)
class Claim:
    """A record that a plugin gave, or will give; which plugin, and how to say that it did not keep its word."""

    record: Any = field(repr=False)
    plugin: str = ""
    source: str = ""
    blame: Callable[[str], None] = field(repr=False)


class Named(Mapping[str, T]):
    """What plugins gave of one kind. Names, length and `in` import nothing; `[name]` and `get` import one record's module,
    `values` and `items` all of them. A record that cannot be had is blamed on its plugin and is gone.
    """

    def __init__(self, kind: Kind, claims: Mapping[str, Claim]) -> None:
        self._kind = kind
        self._claims = dict(claims)
        self._records: dict[str, T] = {
            name: claim.record for name, claim in claims.items() if not isinstance(claim.record, Later)
        }
        self._lock = RLock()  # re-entrant: a record's module may ask for another one

    def __getitem__(self, name: str) -> T:
        if name not in self._records:
            self._load(self._claims[name])
        return self._records[name]

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
        self._claims[name].blame(f"{name}: {words_of(error)}")

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
                records: list[Any] = load(later.load)
                problem = problem_of(self._kind, later.names, records)
                problem = problem and f"{later.load} {problem}"
            except STUMBLES as error:  # a third party's bug must not kill the command
                problem = f"{later.load}: {words_of(error)}"
            if problem:
                claim.blame(problem)
                for name in mine:
                    del self._claims[name]
            else:
                self._records.update({name: record for record in records for name in self._kind.names(record)})
