"""What is fuzzed of the readers that plugins give: text in a file of some name, its name in the first line of the bytes.

The seeds are the files with which the readers are tested: `tests/plugins/readers/corpus`, as they are read there.
"""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from vram.models.deployment_reader import DeploymentText, FoundServer

from .promise import bounded

READ = Path(__file__).parents[1] / "plugins" / "readers" / "corpus"
_SMALL = 4096


def named(data: bytes) -> tuple[str, str]:
    """The name of the file and its text."""
    name, _, text = data.decode(errors="replace").partition("\n")
    safe = "".join(c for c in name if c.isprintable())[:80].replace("..", "").lstrip("/~")
    return safe or "x.yaml", text


@cache
def reader_seeds() -> tuple[bytes, ...]:
    """Every file of the readers' tests with its name before it."""
    files = [path for path in sorted(READ.rglob("*")) if path.is_file() and not path.name.endswith(".expected.json")]
    return tuple(
        str(path.relative_to(READ)).encode() + b"\n" + path.read_bytes()
        for path in files
        if path.stat().st_size <= _SMALL
    )


@cache
def seeds_of(reader: str) -> tuple[bytes, ...]:
    """Those that a reader claims."""
    found = _reader(reader)
    claimed = tuple(seed for seed in reader_seeds() if _claims(found, seed))
    return claimed or reader_seeds()


def _claims(reader: Any, seed: bytes) -> bool:
    path, text = named(seed)
    return bool(reader.claims(DeploymentText(path=path, text=text)))


def _reader(name: str) -> Any:
    from vram.plugin.manager import plugins

    return plugins().deployment_readers[name]


def one_reader(name: str, data: bytes) -> str:
    """A reader alone, without what stands inside other texts: a stumble is not caught as it is in `servers_of`."""
    path, text = named(data)

    def action() -> None:
        asked = DeploymentText(path=path, text=text)
        reader = _reader(name)
        for found in reader.servers(asked) if reader.claims(asked) else ():
            assert isinstance(found, FoundServer), type(found)

    return bounded(action)


def deployments(data: bytes) -> str:
    """All readers, the commands they find, and how those are told."""
    from vram.serving import read_as, servers_of

    path, text = named(data)

    def action() -> None:
        for server in servers_of(path, text):
            if server.command is not None:
                assert "\n" not in read_as(server)

    return bounded(action)


def checked(data: bytes) -> str:
    """`vram check` of a folder with this file in it, in every format."""
    from xml.etree import ElementTree

    from vram_plugins.check.checking import check
    from vram_plugins.check.formats import github, json_text, junit, sarif, text

    path, content = named(data)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / Path(path).name[:60]
        try:
            file.write_bytes(content.encode(errors="replace"))
        except OSError:
            return "left out: no name of a file"

        def action() -> None:
            found = check([folder], gpu=("H100",), offline=True)
            json.loads(json_text.written(found))
            json.loads(sarif.written(found, allow_unknown=False))
            ElementTree.fromstring(junit.written(found, allow_unknown=False))
            github.written(found, allow_unknown=False)
            text.written(found, width=40)

        return bounded(action)


def report(data: bytes) -> str:
    """A pasted report: the log in it, and the command and the machine that are told around it."""
    from vram_plugins.logs.parse import parse_lines
    from vram_plugins.reconcile.told import told_in

    lines = data.decode(errors="replace").splitlines()
    return bounded(lambda: told_in(parse_lines(lines, path="x.md")))


def prices(data: bytes) -> str:
    """A list of prices; its name in the first line."""
    from vram_plugins.compare.prices import price_list

    path, text = named(data)
    suffix = Path(path).suffix.lower()
    with tempfile.NamedTemporaryFile(suffix=suffix if suffix.isascii() and len(suffix) < 8 else ".csv") as file:
        file.write(text.encode(errors="replace"))
        file.flush()
        return bounded(lambda: price_list(file.name))


def saved(data: bytes) -> str:
    """A profile file as `-p` reads it, and its options."""
    from vram.commands.saved import _as_options
    from vram.deploy.profile_file import read_profile

    with tempfile.NamedTemporaryFile(suffix=".yaml") as file:
        file.write(data)
        file.flush()
        return bounded(lambda: _as_options(read_profile(file.name)))


def arguments(data: bytes) -> str:
    """Engine arguments as JSON, whose values are of any kind."""
    from vram.models.deployment import EngineArgs

    def action() -> None:
        try:
            given = json.loads(data.decode(errors="replace"))
        except (ValueError, RecursionError):
            return
        if isinstance(given, dict):
            EngineArgs.from_mapping({str(key): value for key, value in given.items()})

    return bounded(action)


def ignoring(data: bytes) -> str:
    """Lines of .vramignore, against paths of the same letters."""
    from vram_plugins.check.ignoring import is_left_out, rules_in

    lines = data.decode(errors="replace").splitlines()
    paths = [tuple(part for part in line.split("/") if part) for line in lines[-4:]]

    def action() -> None:
        rules = rules_in(lines)
        for parts in paths:
            if parts:
                is_left_out(rules, parts, folder=False)

    return bounded(action)


def page(data: bytes) -> str:
    """The fields of the page's address."""
    from vram_plugins.web.answers import shown

    fields = dict(parse_qsl(data.decode(errors="replace"), keep_blank_values=True, errors="replace")[:64])
    return bounded(lambda: shown(fields, local_paths=False))


def pasted(data: bytes) -> str:
    """What the page takes as a command."""
    from vram_plugins.web.pasted import told_of

    def action() -> None:
        with contextlib.redirect_stderr(io.StringIO()):
            told_of({"text": data.decode(errors="replace")})

    return bounded(action)


def shards(data: bytes) -> str:
    """An index of shards."""
    from vram.checkpoint.shard_index import parse_index

    return bounded(lambda: parse_index(data, "model.safetensors.index.json"))


def readers() -> dict[str, Callable[[bytes], str]]:
    """A target for each built-in reader."""
    from vram_plugins.readers import READERS

    return {f"reader-{name}": partial(one_reader, name) for name in READERS}
