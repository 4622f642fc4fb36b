"""Every vLLM server of a file, by the readers that plugins give."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from vram.errors import CheckpointError, InputError, PluginError, VramError
from vram.models.deployment_reader import DeploymentText, FoundServer
from vram.models.record import evolve, field, frozen
from vram.plugin.manager import plugins
from vram.serving.command import ServeCommand, parse_words
from vram.serving.surroundings import idle_gpus, missing_gpus

if TYPE_CHECKING:
    from vram.models.deployment_reader import DeploymentReader

MAX_BYTES = 1 << 20  # no deployment file that people write is larger
_MOST_SERVERS = 1000  # of one file
_MAX_DEPTH = 4  # a script in a ConfigMap in YAML in Markdown

Beside = Callable[[str], str | None]
Stumbled = Callable[[PluginError], object]


@frozen(kw_only=True)
class ReadServer:
    """A server as the file has it, and the command it runs; None where it is not vLLM's or is not understood.

    `problem` says, of one that is, why it cannot start whatever its memory: words that vLLM's parser refuses, too few GPUs.
    """

    found: FoundServer
    command: ServeCommand | None = None
    problem: str | None = None
    beside: Beside = field(default=lambda _: None, eq=False, repr=False)

    def on(self, *, gpu: str | None = None, gpus: int | None = None, version: str | None = None) -> ReadServer:
        """The same server on a GPU of that name, on so many, and with the flags of that release."""
        found = evolve(self.found, gpu=gpu or self.found.gpu, gpus=gpus or self.found.gpus)
        return _commanded(found, self.beside, version)


def servers_of(
    path: str | Path,
    text: str | None = None,
    *,
    root: str | Path | None = None,
    stumbled: Stumbled = lambda _: None,
) -> tuple[ReadServer, ...]:
    """Every server of a file in the order of its lines, vLLM's and others'; `text` is its content where it is at hand.

    Files beside it are read inside `root`, by default its folder; `stumbled` is told of each reader that failed and was done without.
    Raises CheckpointError for one that cannot be read.
    """
    path = Path(path)
    content = _read(path) if text is None else text
    beside = _beside(path.parent, Path(root) if root else path.parent) if text is None else (lambda _: None)
    return tuple(_commanded(found, beside) for found in _found(str(path), content, beside, stumbled, 0, 1))


def _found(path: str, text: str, beside: Beside, stumbled: Stumbled, depth: int, first: int) -> tuple[FoundServer, ...]:
    """What the readers find in a text whose first line is line `first` of the file.

    Several may claim a text by its words: one that finds it broken says so where none of them sees a server.
    """

    def within(name: str, inner: str, line: int) -> tuple[FoundServer, ...]:
        try:
            return _found(name, inner, beside, stumbled, depth + 1, line) if depth < _MAX_DEPTH else ()
        except CheckpointError:
            return ()  # a part of another text: an example with an ellipsis in it is no fault of its file

    asked = DeploymentText(path=path, text=text, beside=beside, within=within)
    best: dict[int, tuple[int, list[FoundServer]]] = {}
    broken: VramError | None = None
    for name, reader in plugins().deployment_readers.items():
        by_line: dict[int, list[FoundServer]] = {}
        try:
            for server in _asked(name, reader, asked, stumbled):
                by_line.setdefault(server.line, []).append(server)
        except VramError as error:
            broken = broken or error
        for line, servers in by_line.items():
            if line not in best or reader.rank > best[line][0]:
                best[line] = (reader.rank, servers)
    if broken and not best:
        raise broken
    ordered = [server for line in sorted(best) for server in best[line][1]]
    return tuple(evolve(server, line=server.line + first - 1) for server in ordered)


def _asked(name: str, reader: DeploymentReader, text: DeploymentText, stumbled: Stumbled) -> Iterable[FoundServer]:
    """One reader's servers; a reader that stumbles is blamed, and the others go on. Raises VramError of a broken file."""
    try:
        found = list(islice(reader.servers(text), _MOST_SERVERS + 1)) if reader.claims(text) else []
    except PluginError as error:
        plugins().deployment_readers.blame(name, error)
        stumbled(error)
        return []
    if len(found) > _MOST_SERVERS:
        raise CheckpointError(path=text.path, problem=f"has more than {_MOST_SERVERS:,} servers")
    return found


def _commanded(found: FoundServer, beside: Beside, version: str | None = None) -> ReadServer:
    if found.status != "vllm":
        return ReadServer(found=found)
    try:
        words = (*([found.image] if found.image else ()), "vllm", "serve", *found.words)
        command = parse_words(words, version=version or found.vllm_version, beside=beside)
    except InputError as error:
        return ReadServer(found=evolve(found, status="not_understood", problem=str(error)))
    command = evolve(
        command,
        gpu=found.gpu,
        gpus=found.gpus,
        vllm_version=found.vllm_version or command.vllm_version,
        environment={**command.environment, **found.environment},
        left_out=(*found.left_out, *command.left_out),
    )
    command = evolve(command, assumed=(*found.assumed, *idle_gpus(command, found.nodes)))
    problem = next((f"stops vLLM: {refusal}" for refusal in command.refusals), missing_gpus(command, found.nodes))
    return ReadServer(found=found, command=command, problem=problem, beside=beside)


def _beside(folder: Path, root: Path) -> Beside:
    def beside(name: str) -> str | None:
        try:
            path = (folder / name).resolve()
            return _read(path) if path.is_relative_to(root.resolve()) and path.is_file() else None
        except (CheckpointError, OSError, ValueError):  # the last two: a name that no file can have
            return None

    return beside


def _read(path: Path) -> str:
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise CheckpointError(path=str(path), problem="is not a file that can be read")
        if size > MAX_BYTES:
            raise CheckpointError(path=str(path), problem="is larger than any deployment file")
        return path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise CheckpointError(path=str(path), problem=f"cannot be read ({error.strerror or error})") from None
