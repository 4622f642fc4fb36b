"""Ask a release everything, compare it with the one before, and print what moved. See the package, and the page."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.conformance import registry
from tests.conformance.follow import asking, environment, sources
from tests.conformance.follow.asking import Answer, config_of
from tests.conformance.follow.causes import Sources, assign, scope, touched
from tests.conformance.follow.moves import Move, moves
from tests.conformance.follow.recording import record
from tests.conformance.follow.report import Report, Told, page
from tests.conformance.follow.says import VLLM_REFUSES, says, unequal
from tests.conformance.release_tables import Release, differences, read_release

from vram.vllm import format_version
from vram.vllm.versions import NEWEST


def compare(
    old: Release,
    new: Release,
    package: Sources,
    before: Sequence[Answer],
    after: Sequence[Answer],
    asked: dict[str, str],
) -> Report:
    """The report of two releases' sources and answers."""
    name, version = (".".join(map(str, release.version)) for release in (old, new))
    came = set(new.architectures) - set(old.architectures)
    moved, same = moves(before, after)
    moved = [move for move in moved if move.new["id"] not in came]
    causes = _causes(moved, same, package)
    wrong = {_label(answer): unequal(answer, version) for answer in after}
    return Report(
        old=name,
        new=version,
        facts=tuple(differences(old, new)),
        told=tuple(
            Told(move=move, files=files, says=says(move, version)) for move, files in zip(moved, causes, strict=True)
        ),
        came=tuple(answer for answer in after if answer["id"] in came),
        same=len(same),
        unequal={name: _difference(found) for name, found in wrong.items() if found and found != VLLM_REFUSES},
        unbuilt=tuple(dict.fromkeys(answer["id"] for answer in after if wrong[_label(answer)] == VLLM_REFUSES)),
        asked=asked,
    )


def _causes(moved: Sequence[Move], same: Sequence[Answer], package: Sources) -> list[tuple[str, ...]]:
    """Files for each move, found among moves of the same scope."""
    found: dict[int, tuple[str, ...]] = {}
    for kind in dict.fromkeys(scope(move.kinds) for move in moved):
        its = {n: _touched(move.new, package, kind) for n, move in enumerate(moved) if scope(move.kinds) == kind}
        by_text = assign(
            {str(n): files for n, files in its.items()},
            [_touched(a, package, kind) for a in same if "error" not in a],
        )
        found |= {int(n): files for n, files in by_text.items()}
    return [found[n] for n in range(len(moved))]


def _touched(answer: Answer, package: Sources, kind: str) -> frozenset[str]:
    return touched(answer, config_of(answer), package, kind)


def _label(answer: Answer) -> str:
    arguments = f" {json.dumps(answer['args'])}" if answer["args"] else ""
    return f"{answer['id']} on {answer['tp'] * answer['pp']} × {answer['gpu']}{arguments}"


def _difference(found: dict[str, tuple[Any, Any]] | str) -> str:
    if isinstance(found, str):
        return found
    return "; ".join(f"{name} {want} is {got} here" for name, (want, got) in found.items())


def _options(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.follow", description=__doc__)
    parser.add_argument("version")
    parser.add_argument(
        "--previous", default=format_version(NEWEST), help="the release before (default: the newest known here)"
    )
    parser.add_argument("--work", type=Path, help="what is fetched and answered (default: follow-VERSION)")
    parser.add_argument("--python", help="an environment with the new release, instead of a new one")
    parser.add_argument("--sources", type=Path, help="a folder with VERSION/vllm of both, instead of fetching them")
    parser.add_argument(
        "--before", type=Path, nargs="+", default=(), help="answers of the release before, else those recorded"
    )
    parser.add_argument("--answers", type=Path, nargs="+", default=(), help="answers of the new release: ask nothing")
    parser.add_argument("--suites", nargs="+", choices=asking.SUITES, default=asking.SUITES)
    parser.add_argument("--gpu", nargs="+", default=("h100", "a100", "b200", "l40s", "t4", "5090"))
    parser.add_argument("--tp", nargs="+", type=int, default=(1, 2, 4, 8))
    parser.add_argument("--record", action="store_true", help="keep the answers in this repository")
    parser.add_argument("--torch", default="2.13.0", help="for a new environment")
    parser.add_argument("--torchvision", default="0.28.0")
    return parser.parse_args(words)


def main(words: Sequence[str]) -> None:
    """Print the report."""
    options = _options(words)
    work = options.work or Path(f"follow-{options.version}")
    old, new = (
        options.sources / name if options.sources else sources.fetch(name, work / "sources")
        for name in (options.previous, options.version)
    )
    before = _read(options.before) if options.before else asking.recorded(options.suites)
    asked: dict[str, str] = {}
    if options.answers:
        after = _read(options.answers)
    else:
        began = time.monotonic()
        after = _ask(before, options, work)
        asked["asked in"] = f"{(time.monotonic() - began) / 60:.0f} minutes"
        if options.record:
            record(after, json.loads((work / "registered.json").read_text()))
    package = Sources(old, new)
    print(page(compare(read_release(old), read_release(new), package, before, after, asked), package), end="")


def _ask(before: Sequence[Answer], options: argparse.Namespace, work: Path) -> list[Answer]:
    """Every recorded question, and those about architectures that the release registers first and has default configs of."""
    work.mkdir(parents=True, exist_ok=True)
    python = options.python or environment.make(
        options.version, work / "environment", torch=options.torch, torchvision=options.torchvision
    )
    found = json.loads(registry.ask_vllm(python, "list_registered.py"))
    known = {answer["id"] for answer in before}
    names = registry.names(found["registered"])
    new = {name: config for name, config in found["configs"].items() if name in names and name not in known}
    (work / "registered.json").write_text(json.dumps(found))
    questions = asking.questions(
        before, new if "registry" in options.suites else {}, gpus=options.gpu, sizes=options.tp
    )
    return asking.ask(python, questions, work / "answers.jsonl")


def _read(paths: Sequence[Path]) -> list[Answer]:
    return [{"suite": "registry", "pp": 1, **answer} for path in paths for answer in registry.read(path)]


if __name__ == "__main__":
    main(sys.argv[1:])
