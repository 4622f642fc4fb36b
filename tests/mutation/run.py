"""Change the arithmetic one number or operator at a time and see whether a test notices: `python -m tests.mutation.run`.

Every change of `core/vram/estimate` and `core/vram/vllm` is tried, or `--mutants` of each module. Results are kept in
build/mutation.json: a further run tries what is new (changed modules anew) and, with `--survivors`, what survived.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path

from tests.mutation.mutants import Mutant, mutants_of
from tests.mutation.parsers import PARSERS, tests_of
from tests.mutation.trial import ROOT, SOURCES, TESTS, source_of, try_all

#: results: module → its source's hash and, per mutant, the test that noticed it ("" for none)
Results = dict[str, dict[str, str]]


def modules() -> list[str]:
    """The arithmetic, relative to core/vram."""
    files = [file for folder in ("vllm", "estimate") for file in sorted((SOURCES / folder).rglob("*.py"))]
    return [str(file.relative_to(SOURCES)) for file in files if file.name != "__init__.py"]


def main() -> None:
    """Try, keep, print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--module", action="append", help="only modules whose path begins so: estimate/memory")
    options.add_argument("--parsers", action="store_true", help="the readers of text instead of the arithmetic")
    options.add_argument("--mutants", type=int, help="so many of each module, the same for the same seed")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--minutes", type=float, default=60)
    options.add_argument("--survivors", action="store_true", help="also try again what survived before")
    options.add_argument("--again", action="store_true", help="forget the former results of these modules")
    options.add_argument("--tests", nargs="+", help="fewer tests: to see whether new ones notice")
    options.add_argument("--results", type=Path, default=ROOT / "build" / "mutation.json")
    chosen = options.parse_args()
    wanted = [
        path
        for path in (PARSERS if chosen.parsers else modules())
        if not chosen.module or path.startswith(tuple(chosen.module))
    ]
    results = _Kept(chosen.results)
    end = time.monotonic() + 60 * chosen.minutes
    for path in wanted:
        results.begin(path, again=chosen.again)

    def mutants() -> Iterator[Mutant]:
        for path in wanted:
            everything = list(mutants_of(path, source_of(path).read_text()))
            if chosen.mutants is not None and chosen.mutants < len(everything):
                everything = random.Random(chosen.seed).sample(everything, chosen.mutants)
            for mutant in everything:
                known = results.of(mutant)
                if known is None or (chosen.survivors and not known):
                    yield mutant

    def took(mutant: Mutant, killer: str) -> bool:
        results.keep(mutant, killer)
        if not killer:
            print(f"survived: {mutant.name}", flush=True)
        return time.monotonic() < end

    failed = try_all(wanted, mutants, took, chosen.tests or (tests_of(wanted) if chosen.parsers else TESTS))
    results.write()
    print(results.table(wanted))
    if failed not in (0, 5):
        raise SystemExit(failed)


class _Kept:
    """Results in a file."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.found: dict[str, Results] = json.loads(file.read_text()) if file.exists() else {}
        self.written = time.monotonic()

    def begin(self, path: str, *, again: bool) -> None:
        """Former results of a module count while its source is the same."""
        digest = hashlib.sha256(source_of(path).read_bytes()).hexdigest()
        held = self.found.get(path)
        if again or held is None or held["source"] != {"sha256": digest}:
            self.found[path] = {"source": {"sha256": digest}, "mutants": {}}

    def of(self, mutant: Mutant) -> str | None:
        return self.found[mutant.path]["mutants"].get(mutant.name)

    def keep(self, mutant: Mutant, killer: str) -> None:
        self.found[mutant.path]["mutants"][mutant.name] = killer
        if time.monotonic() - self.written > 10:
            self.write()

    def write(self) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(json.dumps(self.found, indent=1, ensure_ascii=False) + "\n")
        self.written = time.monotonic()

    def table(self, paths: list[str]) -> str:
        """Markdown: module, noticed, tried, share."""
        lines = ["| module | noticed | of | |", "|---|---:|---:|---:|"]
        sums = [0, 0]
        for path in paths:
            killers = list(self.found[path]["mutants"].values())
            noticed = sum(map(bool, killers))
            sums = [sums[0] + noticed, sums[1] + len(killers)]
            lines.append(f"| `{path}` | {noticed} | {len(killers)} | {noticed / max(1, len(killers)):.0%} |")
        return "\n".join([*lines, f"| all | {sums[0]} | {sums[1]} | {sums[0] / max(1, sums[1]):.1%} |"])


if __name__ == "__main__":
    main()
