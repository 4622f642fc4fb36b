"""Every architecture that a version of vLLM registers: its name, a config, vLLM's answers about it.

    python -m tests.conformance.registry list --python V/bin/python      # registered.json, and default configs for new names
    python -m tests.conformance.registry ask --python V/bin/python [--only NAME ...] [--gpu h100 b200] [--tp 1 2] [--again]
    python -m tests.conformance.registry check [--only NAME ...]         # what is not equal, largest error first

V is an environment with vLLM's GPU wheel (0.33); no GPU is needed. Configs are `registry_configs.jsonl`: a default config
of transformers or vLLM, or, where the class is in the model's repository, one written by hand: another architecture's with
some fields `set`, the `files` beside it that vLLM reads, the `args` it needs. Answers go to `registry_answers.jsonl`, which
`test_conformance.py` holds `vram` against; an architecture that vLLM does not build from its config has its error there.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
REGISTERED, CONFIGS, ANSWERS = (
    HERE / "registered.json",
    HERE / "registry_configs.jsonl",
    HERE / "registry_answers.jsonl",
)
UNEQUAL = HERE / "unequal.txt"
#: registered by name only: they live in packages of their own, or in no version any more
NOT_IN_VLLM = ("oot_supported", "previously_supported")
DRAFTS = "speculative_decoding"
AVAILABLE_GIB = 24


def registered(version: str) -> dict[str, dict[str, str]]:
    """By kind, the names that this version registers, each with its module and class."""
    return json.loads(REGISTERED.read_text())[version]


def architectures(version: str) -> dict[str, str]:
    """Every architecture of this version and the kind under which it is first registered."""
    return names(registered(version))


def names(by_kind: dict[str, dict[str, str]]) -> dict[str, str]:
    """Every architecture of what `list_registered.py` tells, and the kind under which it is first registered."""
    found: dict[str, str] = {}
    for kind, its in by_kind.items():
        if kind not in NOT_IN_VLLM:
            found |= {name: kind for name in its if name not in found}
    return found


@cache
def config(architecture: str) -> dict[str, Any]:
    """The config by which this architecture is asked about. Raises KeyError where there is none."""
    line = _lines()[architecture]
    found: dict[str, Any] = json.loads(json.dumps(config(line["like"]) if "like" in line else line["config"]))
    for path, value in line.get("set", {}).items():
        *sections, name = path.split(".")
        at = found
        for section in sections:
            at = at.setdefault(section, {})
        at[name] = value
    for name in line.get("without", ()):
        del found[name]
    return {**found, "architectures": [architecture]}


def files(architecture: str) -> dict[str, Any]:
    """What lies beside the config, by file name."""
    return _lines()[architecture].get("files", {})


@cache
def _lines() -> dict[str, dict[str, Any]]:
    return {line["architecture"]: line for line in read(CONFIGS)}


def read(path: Path) -> list[dict[str, Any]]:
    """The records of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def write(path: Path, records: Iterable[dict[str, Any]]) -> None:
    """One record a line, without spaces."""
    path.write_text("".join(json.dumps(record, separators=(",", ":")) + "\n" for record in records))


@cache
def answers() -> list[dict[str, Any]]:
    """vLLM's answers; those that are errors have `error`."""
    return read(ANSWERS)


def built() -> list[dict[str, Any]]:
    """vLLM's answers about architectures that it builds from their config."""
    return [answer for answer in answers() if "error" not in answer]


@cache
def not_equal_yet() -> dict[str, str]:
    """Architectures of which an answer is not equal, or refused, and why: a line each of `unequal.txt`."""
    lines = UNEQUAL.read_text().splitlines() if UNEQUAL.exists() else []
    return dict(line.split(" ", 1) for line in lines)


def differs(answer: dict[str, Any]) -> str:
    """What is not equal in `vram`'s answer, its refusal included; empty where nothing is."""
    from tests.conformance.comparing import unequal

    from vram.errors import VramError

    try:
        found = unequal(answer)
    except VramError as error:
        return f"refused: {' '.join(str(error).split())}"
    return "; ".join(f"{name} {want} is {got} here" for name, (want, got) in found.items())


def ask_vllm(python: str, program: str, *arguments: str) -> str:
    """What one of the asking programs beside this one prints in the environment with vLLM."""
    return subprocess.run(
        [python, str(HERE / program), *arguments], check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def list_(python: str) -> None:
    """Record the registered names of the environment's version, and configs for names that have none."""
    add(json.loads(ask_vllm(python, "list_registered.py")))


def add(found: dict[str, Any]) -> None:
    """Put what `list_registered.py` told into the files; configs that are there stay as they are."""
    known = json.loads(REGISTERED.read_text()) if REGISTERED.exists() else {}
    known[found["vllm"]] = found["registered"]
    REGISTERED.write_text(json.dumps(known, indent=0) + "\n")
    lines = _lines() if CONFIGS.exists() else {}
    wanted = set(architectures(found["vllm"]))
    new = {name: {"architecture": name, "config": made} for name, made in found["configs"].items() if name in wanted}
    write(CONFIGS, (line for _, line in sorted((new | lines).items())))


def questions(only: Sequence[str], gpus: Sequence[str], sizes: Sequence[int]) -> Iterator[dict[str, Any]]:
    """One question for each config, GPU and tensor-parallel size."""
    for gpu in gpus:
        for size in sizes:
            for name in only or sorted(_lines()):
                line = _lines()[name]
                asked = {"id": name, "gpu": gpu, "tp": size, "pp": 1, "args": line.get("args", {})}
                yield {**asked, "available_gib": AVAILABLE_GIB, "config": config(name), "files": files(name)}


def ask(python: str, asked: Iterable[dict[str, Any]], *, again: bool) -> None:
    """Ask what has no answer yet and record it; architectures that vLLM does not build are not asked twice."""
    known = {_key(answer): answer for answer in answers()}
    refused = {name for name, *_ in (key for key, answer in known.items() if "error" in answer)}
    new = [q for q in asked if again or (_key(q) not in known and q["id"] not in refused)]
    with tempfile.TemporaryDirectory() as folder:
        given, out = Path(folder, "questions.jsonl"), Path(folder, "answers.jsonl")
        write(given, new)
        try:
            ask_vllm(python, "ask_vllm.py", "--questions", str(given), "--out", str(out))
        finally:
            record(read(out))


def record(new: Iterable[dict[str, Any]]) -> None:
    """Put answers into the file, in place of older ones; a later answer clears an architecture's error."""
    known = {_key(answer): answer for answer in answers()}
    known |= {
        _key(answer): {k: v for k, v in answer.items() if k not in ("trace", "dump", "tensors", "kv", "specs")}
        for answer in new
    }
    built = {answer["id"] for answer in known.values() if "error" not in answer}
    kept = [a for a in known.values() if "error" not in a or a["id"] not in built]
    answers.cache_clear()
    write(ANSWERS, sorted(kept, key=lambda a: (a["id"], a["gpu"], a["tp"])))


def check(only: Sequence[str]) -> None:
    """Print what differs, and write `unequal.txt` where every architecture was looked at."""
    found: dict[str, str] = {}
    for answer in built():
        if not only or answer["id"] in only:
            difference = differs(answer)
            if difference:
                print(f"{answer['id']:50} {answer['gpu']} tp{answer['tp']} {difference}")
                found.setdefault(answer["id"], _kind(difference))
    if not only:
        UNEQUAL.write_text("".join(f"{name} {kind}\n" for name, kind in sorted(found.items())))


def _kind(difference: str) -> str:
    """In words that do not change with every figure."""
    if difference.startswith("refused"):
        return "refused"
    return "weights" if "parameter_bytes" in difference else difference.split(" ", 1)[0]


def _key(answer: dict[str, Any]) -> tuple[str, str, int]:
    return answer["id"], answer["gpu"], answer["tp"]


def main() -> None:
    """Run one of the commands."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("list", "ask", "check"):
        command = commands.add_parser(name)
        if name != "check":
            command.add_argument("--python", required=True)
        if name != "list":
            command.add_argument("--only", nargs="+", default=())
    asking = commands.choices["ask"]
    asking.add_argument("--gpu", nargs="+", default=("h100", "b200"))
    asking.add_argument("--tp", nargs="+", type=int, default=(1, 2))
    asking.add_argument("--again", action="store_true")
    options = parser.parse_args()
    if options.command == "list":
        list_(options.python)
    elif options.command == "ask":
        ask(options.python, questions(options.only, options.gpu, options.tp), again=options.again)
    else:
        check(options.only)


if __name__ == "__main__":
    main()
