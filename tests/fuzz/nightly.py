"""Fuzz every target in turn, as a timer runs it at night: `python -m tests.fuzz.nightly --hours 8`.

Sums are kept in build/fuzz.json, by target, over as many nights as it is kept; each input that broke the promise lies in build/fuzz/.
Whoever mends one puts it into `tests/fuzz/corpus/TARGET/`, where every run of the tests repeats it. Exit code 1: something was found.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import time
from pathlib import Path

from .run import Tally, at_random, print_tally

BUILD = Path(__file__).parents[2] / "build"
_TURN = 120.0  # seconds at most of one target before the next has its turn


def main() -> None:
    """Turn by turn, each with other random numbers, until the time is over."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--hours", type=float, default=8.0)
    options.add_argument("--target", action="append", help="only these; all without one")
    options.add_argument("--table", action="store_true", help="run nothing: print the sums as Markdown")
    chosen = options.parse_args()
    if chosen.table:
        print(table(read_sums()))
        return
    from .targets import TARGETS

    wanted = chosen.target or list(TARGETS)
    end = time.monotonic() + 3600 * chosen.hours
    turn = min(_TURN, 3600 * chosen.hours / len(wanted))
    found = 0
    while time.monotonic() < end:
        for target in wanted:
            left = end - time.monotonic()
            if left > 0:
                tally = at_random(target, min(turn, left), int(time.time_ns() % 2**32))
                print_tally(target, tally)
                found += len(tally.findings)
                _keep(target, tally)
    raise SystemExit(1 if found else 0)


def read_sums() -> dict[str, dict[str, float]]:
    """By target, what was kept: cases, findings, seconds."""
    file = BUILD / "fuzz.json"
    return dict(json.loads(file.read_text())) if file.is_file() else {}


def _keep(target: str, tally: Tally) -> None:
    sums = read_sums()
    one = sums.setdefault(target, {"cases": 0, "findings": 0, "seconds": 0.0})
    one["cases"] += tally.cases
    one["findings"] += len(tally.findings)
    one["seconds"] += tally.seconds
    folder = BUILD / "fuzz" / target
    folder.mkdir(parents=True, exist_ok=True)
    for data, _ in tally.findings.values():
        (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
    (BUILD / "fuzz.json").write_text(json.dumps(sums, indent=1) + "\n")


def table(sums: dict[str, dict[str, float]]) -> str:
    """Markdown: target, cases, cases a second, findings."""
    lines = ["| target | cases | a second | findings |", "|---|---:|---:|---:|"]
    rows = [(target, one["cases"], one["cases"] / max(1.0, one["seconds"]), one["findings"]) for target, one in sums.items()]  # fmt: skip
    lines += [f"| `{target}` | {cases:,} | {rate:,.0f} | {found} |" for target, cases, rate, found in rows]
    cases, seconds = sum(one["cases"] for one in sums.values()), sum(one["seconds"] for one in sums.values())
    found = sum(one["findings"] for one in sums.values())
    return "\n".join([*lines, f"| all | {cases:,} | {cases / max(1.0, seconds):,.0f} | {found} |"])


if __name__ == "__main__":
    main()
