"""The wheels that a copy of the page needs: this program's, those of its plugins, and what they require, in pure Python."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution, distributions
from pathlib import Path
from urllib.parse import unquote, urlsplit

from vram.errors import OutputError

_OWN = "vram-estimator"
_GROUP = "vram"  # of entry points: whoever has some is a plugin
#: requirements of what no browser has: a network client, a driver, a terminal
_ELSEWHERE = frozenset({"huggingface-hub", "nvidia-ml-py", "rich"})
_COMPILED = (".so", ".pyd", ".dylib", ".pyc")
_FIXED_TIME = (1980, 1, 1, 0, 0, 0)
_LONGEST_BUILD = 300


def write_wheels(folder: Path) -> tuple[Path, ...]:
    """The files, in the order in which they were found. Raises OutputError where this program's own cannot be built."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for each in _needed():
        source = _source_of(each)
        found.append(_built(source, folder) if source else _packed(each, folder))
    return tuple(found)


def _needed() -> tuple[Distribution, ...]:
    """This program, every installed plugin, and what they require."""
    plugins = [one for one in distributions() if any(point.group == _GROUP for point in one.entry_points)]
    waiting = [_OWN, *(_plain(one.metadata["Name"]) for one in plugins)]
    found: dict[str, Distribution] = {}
    while waiting:
        name = waiting.pop(0)
        if name in found or name in _ELSEWHERE:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            continue  # of another system or Python
        waiting += list(_required(found[name]))
    return tuple(found.values())


def _required(one: Distribution) -> Iterator[str]:
    for line in one.requires or ():
        name, _, marker = line.partition(";")
        if "extra" not in marker and (match := re.match(r"[\w.-]+", name.strip())):
            yield _plain(match[0])


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _source_of(one: Distribution) -> Path | None:
    """Where a distribution is developed, where that is what is installed; None of others."""
    told = one.read_text("direct_url.json")
    known = json.loads(told) if told else {}
    if not known.get("dir_info", {}).get("editable"):
        return None
    return Path(unquote(urlsplit(known["url"]).path))


def _built(source: Path, folder: Path) -> Path:
    """The wheel as it is released. Raises OutputError."""
    before = set(folder.glob("*.whl"))
    words = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(folder),
        str(source),
    ]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=_LONGEST_BUILD, check=False)  # noqa: S603
        problem = done.stderr.strip().splitlines()[-1:] if done.returncode else []
    except (OSError, subprocess.TimeoutExpired) as error:
        problem = [str(error)]
    made = sorted(set(folder.glob("*.whl")) - before)
    if problem or not made:
        why = f": {problem[0][:200]}" if problem else ""
        raise OutputError(path=str(source), problem=f"cannot be built into a wheel{why}")
    return made[0]


def _packed(one: Distribution, folder: Path) -> Path:
    """An installed distribution as the wheel it came from, without what was compiled."""
    name = re.sub(r"[-_.]+", "_", one.metadata["Name"])
    path = folder / f"{name}-{one.version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(one.files or (), key=str):
            inside, here = file.as_posix(), Path(str(one.locate_file(file)))
            if inside.startswith(("..", "/")) or inside.endswith(_COMPILED) or not here.is_file():
                continue
            entry = zipfile.ZipInfo(inside, _FIXED_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, here.read_bytes())
    return path
