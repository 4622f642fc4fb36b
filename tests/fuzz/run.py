"""Fuzz one target: `python -m tests.fuzz.run config --seconds 600`, from the root of the repository.

With atheris (`pip install atheris`, Linux) the run is guided by coverage and starts from `tests/fuzz/corpus/TARGET`;
what it learns is kept in `--work`, a finding is written there too. Without atheris the corpus is varied at random.
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

CORPUS = Path(__file__).with_name("corpus")


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
        at_random(chosen.target, chosen.seconds, chosen.seed)
        return
    with atheris.instrument_imports(include=["vram", "vram_plugins"]):
        from tests.fuzz import targets

        _import_everything()
    work = chosen.work / chosen.target
    work.mkdir(parents=True, exist_ok=True)
    flags = [
        f"-max_total_time={chosen.seconds}",
        "-timeout=20",
        "-max_len=4096",
        "-len_control=0",
        f"-artifact_prefix={work}/finding-",
    ]
    function = targets.TARGETS[chosen.target]
    atheris.Setup([sys.argv[0], *flags, str(work), str(CORPUS / chosen.target)], lambda data: function(data) and None)
    atheris.Fuzz()


def _import_everything() -> None:
    """Plugins and lazily imported modules must be loaded while imports are instrumented."""
    from vram.plugin.manager import plugins

    plugins().load_all()
    from tests.fuzz.targets import TARGETS

    for function in TARGETS.values():
        function(b"")


def at_random(target: str, seconds: int, seed: int) -> None:
    """Corpus entries with bytes changed, and plain random bytes; findings are counted by where they were raised."""
    from tests.fuzz.targets import TARGETS

    function, source = TARGETS[target], random.Random(seed)
    corpus = [path.read_bytes() for path in sorted((CORPUS / target).glob("*"))] or [b""]
    outcomes: Counter[str] = Counter()
    findings: dict[str, tuple[bytes, str]] = {}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        data = _varied(source, corpus)
        try:
            outcomes[function(data)] += 1
        except Exception as error:  # noqa: BLE001  every class but VramError is a finding
            frame = traceback.extract_tb(error.__traceback__)[-1]
            key = f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}"
            outcomes[key] += 1
            findings.setdefault(key, (data, traceback.format_exc(limit=-6)))
    print(f"{target}: {sum(outcomes.values()):,} cases, {len(findings)} findings")
    for name, count in outcomes.most_common():
        print(f"  {count:8,}  {name}")
    for key, (data, text) in findings.items():
        print(f"\n{key}\n{data.hex()}\n{text}")


def _varied(source: random.Random, corpus: list[bytes]) -> bytes:
    data = bytearray(source.choice(corpus))
    if not data or source.random() < 0.3:
        return source.randbytes(source.randint(1, 60))
    for _ in range(source.randint(1, 6)):
        at = source.randrange(len(data) + 1)
        data[at : at + source.choice((0, 1, 1, 1, 4))] = source.randbytes(source.choice((0, 1, 1, 2)))
    return bytes(data)


if __name__ == "__main__":
    main()
