"""Files and folders to findings: every server that the readers see, answered."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vram.errors import ModelNotFoundError, ParallelismError, PluginError, VramError
from vram.gpus import find_gpu
from vram.models.record import evolve
from vram.plugin import plugins
from vram.serving import ReadServer, read_as, servers_of, with_models
from vram_plugins.check.asking import Asker, asked_from
from vram_plugins.check.judging import change_of, passes, problem_of, repair_of
from vram_plugins.check.notes import read_without, unread_in
from vram_plugins.check.once import told_once
from vram_plugins.check.records import NO_GPU, Checked, Finding, Status
from vram_plugins.check.secrets import sayable
from vram_plugins.check.walking import LARGEST, Found, Walk

_OFFLINE = "HF_HUB_OFFLINE"
_TELLTALE = re.compile(rb"vllm\s+serve|vllm-openai|vllm/vllm|vllm\.entrypoints", re.IGNORECASE)
#: a command with a word behind it, or the image with its tag: no prose
_RUN = re.compile(rb"""vllm\s+serve\s+["']?(?:--\w|\$|[\w.-]*/[\w./-]+)|vllm/vllm-openai[:@]""", re.IGNORECASE)
#: what only looked like another kind of file to the reader that found it broken
_UNBREAKABLE = frozenset((".jsonl", ".ndjson", ".csv", ".tsv", ".log", ".txt", ".rst", ".md", ".html", ".sh", ".bash"))
#: what is read as a whole: a mention in it is a comment or prose
_READ_WHOLE = _UNBREAKABLE | {"", ".py", ".ipynb", ".mdx", ".zsh", ".diff", ".patch", ".po", ".xml"}


def check(
    paths: Iterable[str | Path],
    *,
    exclude: Iterable[str] = (),
    offline: bool = False,
    root: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    **asked: Any,
) -> Checked:
    """Every vLLM server in files and folders, with its answer.

    Where a file states none: `gpu` (names, "2 × H100" with a number; several are each answered for), `gpu_memory_gib`,
    `vllm_version`. `model_for` ("/models/x=Qwen/Qwen3-8B") says what a path is. Further: `concurrency`, `headroom_gib`,
    `fragmentation_factor`, `overhead_gib`, `used_gib`, `profile`, `trust_remote_code` (where a file asks for it), `accept_borderline`.
    `progress` is called with the files done, and all. A file may name others inside `root` (by default the folder that was given, or
    the working directory).

    Raises InputError for a path that is not there or an argument that means nothing. Nothing that a file holds is run.
    """
    walk = Walk(paths, exclude=exclude, root=None if root is None else Path(root))
    with _offline(offline):
        asker = Asker(asked_from(**asked))
        files = walk.files()
        findings: list[Finding] = []
        unread: list[str] = []
        stumbled: dict[str, list[str]] = {}
        for done, found in enumerate(files):
            if progress:
                progress(done, len(files))
            of_file = tuple(_findings(found, asker, stumbled))
            findings += of_file
            if not of_file and _holds(found.path, _RUN, besides=_READ_WHOLE):
                unread.append(_shown(found.path))
    return Checked(
        findings=told_once(findings), files=len(files), notes=(*walk.notes, *unread_in(unread), *read_without(stumbled))
    )


def _findings(found: Found, asker: Asker, stumbled: dict[str, list[str]]) -> Iterator[Finding]:
    """Of one file, which is put behind the fault of each reader that stumbled over it."""

    def note(error: PluginError) -> None:
        files = stumbled.setdefault(str(error), [])
        if shown not in files:
            files.append(shown)

    shown = _shown(found.path)
    problem = found.problem
    servers: tuple[ReadServer, ...] = ()
    if problem is None:
        try:
            servers = servers_of(found.path, root=found.root, stumbled=note)
        except VramError as error:
            # a broken file of another program is no concern here; one that nobody may read could hold anything
            concerns = _holds(found.path, _TELLTALE, besides=_UNBREAKABLE)
            problem = str(error.data.get("problem", error)) if concerns else None
    if problem is not None:
        yield Finding(
            file=shown, line=1, server="", kind="file", model=None, gpu=None, status="not_understood", problem=problem
        )
    for server in servers:
        for finding in _answered(server, shown, asker):
            yield _without_secrets(finding, server)


def _answered(server: ReadServer, file: str, asker: Asker) -> Iterator[Finding]:
    """One finding for a server, or one for each GPU that was asked about where its file names none."""
    read, asked = server.found, asker.asked
    if server.command is None:
        status: Status = "not_vllm" if read.status == "not_vllm" else "not_understood"
        told = evolve(_finding(server, file), status=status, left_out=read.left_out, assumed=read.assumed)
        yield told if told.problem else evolve(told, problem="nothing tells what it runs")
        return
    version = asked.vllm_version if server.command.vllm_version is None else None
    if version:
        server = server.on(version=version)
    if read.gpu is not None or (asked.gpu_memory_gib is not None and not asked.gpus):
        yield _judged(_finding(server, file), server, asker)
        return
    if not asked.gpus:
        yield _without_gpu(_finding(server, file), server, asker)
    fitting = [one for one in asked.gpus if not read.platform or _platform(one[0]) in (read.platform, "")]
    if asked.gpus and not fitting:
        problem = f"runs on GPUs of {read.platform}, and none that was asked about is one; name it, as --gpu MI300X"
        yield evolve(_finding(server, file), status="not_understood", problem=problem)
    for name, number in fitting:
        placed = server.on(gpu=name, gpus=number if read.gpus is None else None, version=version)
        yield _judged(_finding(placed, file), placed, asker)


def _platform(name: str) -> str:
    """The platform of a GPU by its name, "" for this machine's."""
    return "" if name == "auto" else find_gpu(name, plugins().profiles).platform


def _without_gpu(finding: Finding, server: ReadServer, asker: Asker) -> Finding:
    """What is wrong with it on any GPU, else that none is stated."""
    assert server.command is not None
    if server.problem:
        return evolve(finding, status="does_not_start", problem=_stops(server))
    unknown = asker.refusal_of(server.command)
    return evolve(finding, problem=NO_GPU if unknown is None else f"{_sentence(unknown)}; no GPU is stated either")


def _finding(server: ReadServer, file: str) -> Finding:
    """What is known of it before it is answered."""
    read, command = server.found, server.command
    return Finding(
        file=file, line=read.line, server=read.name, kind=read.kind, model=command.model if command else None, gpu=read.gpu,
        gpus=read.gpus, status="not_understood", problem=read.problem, left_out=command.left_out if command else (),
        assumed=command.assumed if command else (),
    )  # fmt: skip


def _judged(finding: Finding, server: ReadServer, asker: Asker) -> Finding:
    command, asked = server.command, asker.asked
    assert command is not None
    version = command.vllm_version or asked.vllm_version
    model = with_models(command, asked.models).model
    finding = evolve(finding, model=model, read_as=read_as(server, vllm_version=version))
    try:
        estimate = asker.answered(command)
    except VramError as error:
        stops = _stops(server) or (_sentence(error) if isinstance(error, ParallelismError) else None)
        status: Status = "does_not_start" if stops else "not_understood"
        return evolve(finding, status=status, problem=stops or _sentence(error))
    newest = () if version else (f"vLLM {estimate.deployment.vllm_version}, the newest that is known",)
    finding = evolve(
        finding,
        gpu=estimate.deployment.gpu,
        left_out=_once(finding.left_out, estimate.left_out),
        assumed=_once(finding.assumed, estimate.assumed, newest),
        estimate=estimate,
    )
    passing = passes(estimate, accept_borderline=asked.accept_borderline)
    if server.problem:
        change = repair_of(command, estimate, finding.gpus, passing=passing)
        return evolve(finding, status="does_not_start", problem=_stops(server), change=change)
    status = "starts" if estimate.verdict.starts else "does_not_start"
    if passing:
        return evolve(finding, status="starts", problem=None)
    problem = problem_of(estimate, asked.headroom_gib)
    return evolve(finding, status=status, problem=problem, change=change_of(estimate, finding.gpus))


def _stops(server: ReadServer) -> str | None:
    """Why it cannot start whatever its memory, as what follows "does not start"."""
    return server.problem.removeprefix("stops vLLM: ") if server.problem else None


def _once(*notes: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(note for some in notes for note in some))


def _sentence(error: VramError) -> str:
    if isinstance(error, ModelNotFoundError) and error.data.get("reason") == "path":
        model = error.data["model"]
        return f"{model!r} is no model that is here; say what it is with --model-for {model}=ORGANISATION/NAME"
    return str(error).rstrip(".")


def _without_secrets(finding: Finding, server: ReadServer) -> Finding:
    def clean(text: str | None) -> str | None:
        return None if text is None else sayable(text, server.found)

    def all_clean(texts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sayable(text, server.found) for text in texts)

    return evolve(
        finding,
        server=clean(finding.server) or "",
        model=clean(finding.model),
        gpu=clean(finding.gpu),
        problem=clean(finding.problem),
        read_as=clean(finding.read_as),
        left_out=all_clean(finding.left_out),
        assumed=all_clean(finding.assumed),
    )


def _shown(path: Path) -> str:
    """Relative to the working directory where it is inside, with slashes."""
    full = Path(os.path.abspath(path))
    here = Path.cwd()
    return (full.relative_to(here) if full.is_relative_to(here) else full).as_posix()


def _holds(path: Path, what: re.Pattern[bytes], *, besides: frozenset[str]) -> bool:
    """Whether a file holds such a thing, and is not of these kinds; one that nobody may read could hold anything."""
    try:
        with path.open("rb") as stream:
            return path.suffix.lower() not in besides and what.search(stream.read(LARGEST)) is not None
    except OSError:
        return True


@contextmanager
def _offline(wanted: bool) -> Iterator[None]:
    """As with HF_HUB_OFFLINE=1, which everything that might ask the Hub reads."""
    before = os.environ.get(_OFFLINE)
    if wanted:
        os.environ[_OFFLINE] = "1"
    try:
        yield
    finally:
        if wanted and before is None:
            del os.environ[_OFFLINE]
        elif wanted and before is not None:
            os.environ[_OFFLINE] = before
