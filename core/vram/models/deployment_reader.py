"""The contract of a deployment reader: one kind of file in which people write down vLLM servers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from vram.models.record import field, frozen

#: `vllm`: its words are known; `not_vllm`: another engine, device or program serves; `not_understood`: it may be vLLM, and nothing
#: tells its model or flags
ServerStatus = Literal["vllm", "not_vllm", "not_understood"]


@frozen(kw_only=True)
class FoundServer:
    """One server of a file, before its flags are understood.

    `line` counts from 1. `name` is what the file calls it ("Deployment/qwen", a compose service, "" without a name) and `kind` what
    it is ("compose", "Deployment", "shell"). `words` are those behind `vllm serve`, the model among them, with variables and their
    defaults put in. `problem` says, as the rest of a sentence, why there are none ("runs SGLang"): never more of the file than
    a name. `vllm_version` is what something else than the image's tag says (`pip install vllm==0.11.0`). `gpu` is the GPU as the
    file names it, `gpus` how many one process may use (not its parallel size; 0 where it is given none), `nodes` how many
    machines it spans. `offline` is true for `LLM(...)` in Python. `platform` is that of its GPUs where the file
    tells it and names none ("rocm"). `environment` holds what the process gets, secrets among it.
    """

    line: int
    kind: str
    name: str = ""
    status: ServerStatus = "vllm"
    words: tuple[str, ...] = ()
    problem: str | None = None
    environment: Mapping[str, str] = field(factory=dict, repr=False)
    image: str | None = None
    vllm_version: str | None = None
    gpu: str | None = None
    gpus: int | None = None
    nodes: int = 1
    offline: bool = False
    assumed: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    platform: str = ""


@frozen(kw_only=True)
class DeploymentText:
    """A file's text, and what a reader may ask of its surroundings.

    `path` is the name it goes by, for telling kinds apart. `beside` gives the text of a file that this one names, relative to it;
    None where it is not there, outside the folder asked for, or too large. `within` reads text inside this one (a fence in
    Markdown, a script in YAML) as a file of the given name whose first line is the given line here.
    """

    path: str
    text: str
    beside: Callable[[str], str | None] = field(default=lambda _: None, eq=False, repr=False)
    within: Callable[[str, str, int], tuple[FoundServer, ...]] = field(default=lambda *_: (), eq=False, repr=False)


class DeploymentReader(ABC):
    """One kind of file, called `name`. Every reader that claims a text is asked for its servers.

    Where two find a server in the same line, that of the greater `rank` counts: 0 for text of any kind, 1 for a format that others
    are written in (YAML of Kubernetes), 2 for one kind of it.
    """

    name: str
    rank: int = 1

    @abstractmethod
    def claims(self, text: DeploymentText) -> bool:
        """Whether this is its kind of file. Cheap: every file of a repository is asked."""

    @abstractmethod
    def servers(self, text: DeploymentText) -> Iterable[FoundServer]:
        """Its servers, vLLM's and others', in the order of their lines; nothing is run. Raises CheckpointError for a broken file."""
