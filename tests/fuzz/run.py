"""Fuzz one target: `python -m tests.fuzz.run config --seconds 600`, from the root of the repository.

With atheris (`pip install atheris`, Linux) the run is guided by coverage; what it learns is kept in `--work`, a finding is written
there too. Without atheris, and with --random, the seeds are varied at random, and the run goes on behind findings.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

from attrs import Factory, define


@define
class Tally:
    """What came of a run: how many cases ended how, and the first input of each finding with its trace."""

    outcomes: Counter[str] = Factory(Counter)
    findings: dict[str, tuple[bytes, str]] = Factory(dict)
    seconds: float = 0.0

    @property
    def cases(self) -> int:
        """All of them."""
        return sum(self.outcomes.values())


def main() -> None:
    """Parse, choose how, run, print figures."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("target")
    options.add_argument("--seconds", type=int, default=60)
    options.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "vram-fuzz")
    options.add_argument("--random", action="store_true", help="without atheris, and going on behind findings")
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    try:
        import atheris
    except ImportError:
        atheris = None
    if atheris is None or chosen.random:
        print_tally(chosen.target, at_random(chosen.target, chosen.seconds, chosen.seed))
    else:
        _guided(atheris, chosen.target, chosen.seconds, chosen.work / chosen.target)


def _guided(atheris: Any, target: str, seconds: int, work: Path) -> None:
    with atheris.instrument_imports(include=["vram", "vram_plugins"]):
        from tests.fuzz import targets

        _import_everything()
    work.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(targets.seeds_of(target)):
        (work / f"seed-{number}").write_bytes(seed)
    bounds = ["-timeout=20", "-max_len=4096", "-len_control=0"]
    flags = [f"-max_total_time={seconds}", *bounds, f"-artifact_prefix={work}/finding-"]
    function = targets.TARGETS[target]
    atheris.Setup([sys.argv[0], *flags, str(work)], lambda data: function(data) and None)
    atheris.Fuzz()


def _import_everything() -> None:
    """Plugins and lazily imported modules must be loaded while imports are instrumented."""
    from vram.plugin.manager import plugins

    plugins().load_all()
    from tests.fuzz.targets import TARGETS

    for function in TARGETS.values():
        function(b"")


def at_random(target: str, seconds: float, seed: int) -> Tally:
    """Seeds varied; findings are counted by where they were raised."""
    from tests.fuzz.targets import TARGETS, seeds_of
    from tests.fuzz.varying import varied

    function, source, tally = TARGETS[target], random.Random(seed), Tally()
    seeds = seeds_of(target)
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        data = varied(source, seeds)
        try:
            tally.outcomes[function(data)] += 1
        except Exception as error:  # noqa: BLE001  every class but VramError is a finding
            frame = traceback.extract_tb(error.__traceback__)[-1]
            key = f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}"
            tally.outcomes[key] += 1
            tally.findings.setdefault(key, (data, traceback.format_exc(limit=-6)))
    tally.seconds = time.monotonic() - begun
    return tally


def print_tally(target: str, tally: Tally) -> None:
    """Figures, and each finding with its input and trace."""
    print(f"{target}: {tally.cases:,} cases in {tally.seconds:.0f} s, {len(tally.findings)} findings", flush=True)
    for name, count in tally.outcomes.most_common():
        print(f"  {count:8,}  {name}")
    for key, (data, text) in tally.findings.items():
        print(f"\n{key}\n{data.hex()}\n{text}")


if __name__ == "__main__":
    main()
