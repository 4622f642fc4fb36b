"""Markdown and reStructuredText: the servers in code blocks, each read as the file that it would be. Prose holds none."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from vram.models.deployment_reader import DeploymentReader, DeploymentText, FoundServer
from vram_plugins.readers.cells import translated
from vram_plugins.readers.engines import on_named_device
from vram_plugins.readers.launch import on_release, pinned
from vram_plugins.readers.markdown_blocks import BARE, Block, blocks_of
from vram_plugins.readers.markdown_kept import Kept

_SUFFIXES = (".md", ".markdown", ".mdx", ".rst", ".qmd", ".mdc")
_NAMES = {
    **dict.fromkeys(
        (
            "bash",
            "sh",
            "shell",
            "zsh",
            "terminal",
            "ksh",
            "nohighlight",
            "plaintext",
            "text",
            "txt",
            "code",
        ),
        "sh",
    ),
    **dict.fromkeys(
        ("console", "shell-session", "shellsession", "sh-session", "session", "terminal-session"), "console"
    ),
    **dict.fromkeys(("yaml", "yml", "kubernetes", "helm", "compose", "docker-compose"), "yaml"),
    **dict.fromkeys(("python", "py", "python3", "ipython", "ipython3"), "py"),
    **dict.fromkeys(("dockerfile", "docker", "containerfile"), "Dockerfile"),
    **dict.fromkeys(("hcl", "terraform", "tf"), "tf"),
    **dict.fromkeys(("ini", "systemd", "service", "unit", "conf"), "service"),
    **dict.fromkeys(("make", "makefile"), "Makefile"),
    **dict.fromkeys(("just", "justfile"), "justfile"),
    **dict.fromkeys(("powershell", "pwsh", "ps1", "posh"), "ps1"),
    **dict.fromkeys(("cmd", "bat", "batch", "dos"), "bat"),
    "procfile": "Procfile",
    "json": "json",
    "slurm": "slurm",
    "sbatch": "slurm",
}
_BANG = re.compile(r"^([^\S\n]*)!(?=[A-Za-z])", re.MULTILINE)
_UNIT = re.compile(r"^\[(?:Service|Container)\]", re.MULTILINE)
_NEEDLE = re.compile(
    r"vllm|sglang|text-generation|LLM\(|tritonserver|trtllm|llama|ollama|lmdeploy|kserve|llm_configs|model_loading_config|ray\.\w+\.llm",
    re.IGNORECASE,
)
#: what is no command whatever stands in it; any other label that is not known here is one that nobody's highlighter knows either
_NO_COMMANDS = re.compile(
    r"diff|patch|log|logs|output|out|mermaid|(?:java|type)script|[jt]sx?|go|golang|rust|rs|java|kotlin|swift|c|cpp|c\+\+|csharp|cs|php|ruby"
    r"|toml|xml|html|css|scss|sql|csv|tsv|math|latex|tex|markdown|md|http|graphql|proto|protobuf|lua|r|julia|scala|perl|nix|vue|svelte",
    re.IGNORECASE,
)


class Markdown(DeploymentReader):
    """The servers of its code blocks."""

    name = "markdown"
    rank = 1

    def claims(self, text: DeploymentText) -> bool:
        return text.path.lower().endswith(_SUFFIXES) and _NEEDLE.search(text.text) is not None

    def servers(self, text: DeploymentText) -> Iterable[FoundServer]:
        return on_named_device(text.path, _servers(text))  # one after the other: a page may have any number


def _servers(text: DeploymentText) -> Iterator[FoundServer]:
    """The servers of all blocks; a version that they install is that of all."""
    blocks = list(blocks_of(text.text.splitlines()))
    version = pinned("\n".join(line for block in blocks for line in block.lines))
    for server in _of_blocks(text, blocks):
        yield on_release(server, version)


def _of_blocks(text: DeploymentText, blocks: Iterable[Block]) -> Iterator[FoundServer]:
    """Block after block, as a reader types them into one shell and one Python."""
    kept = Kept()
    for block in blocks:
        content = "\n".join(block.lines)
        name = _name(block.language, content)
        if name is None:
            continue
        if name == "console":
            name, content = "sh", _typed(block.lines)
        if _BANG.search(content):  # a notebook's cell
            lines = content.split("\n")
            content = "\n".join(translated(lines, set())) if name == "py" else _BANG.sub(r"\1", content)
        file = name if name[0].isupper() or name == "justfile" else f"block.{name}"
        if _NEEDLE.search(content):
            before = kept.before(name)
            yield from text.within(file, f"{before}{content}\n", block.line - before.count("\n"))
        kept.take(name, content)


def _name(language: str, content: str) -> str | None:
    """What kind of file a block is; None for one that holds no commands."""
    known = _NAMES.get(language.lower()) if language else ""
    if known is None:
        commands = not _NO_COMMANDS.fullmatch(language) and any(BARE.match(line) for line in content.split("\n"))
        return "sh" if commands else None
    if known == "yaml" and re.match(r"\s*(?:\$ )?(?:kubectl|oc|cat|helm|docker|sudo|vllm) ", content):
        known = "sh"
    if known in {"sh", "", "console"} and not content.lstrip().startswith("$ "):
        if re.search(r"^#SBATCH", content, re.MULTILINE):
            return "slurm"
        if re.match(r"(?:[^\S\n]*(?:[#;].*)?\n)*[^\S\n]*\[\w+\]\s*\n", content) and _UNIT.search(content):
            return "service"
        if not language and re.match(r"\s*(?:apiVersion|services|version|kind|resources):", content):
            return "yaml"
        if not language and re.match(r"(?:[^\S\n]*(?:#.*)?\n)*[^\S\n]*(?:ARG .*\n\s*)*FROM\s+\S+", content):
            return "Dockerfile"
        if not language and re.search(r"^(?:from|import) vllm\b", content, re.MULTILINE):
            return "py"
    if known == "console" or (
        known in {"sh", ""} and re.search(r"^[^\S\n]*(?:\S{1,64}@\S{1,64}[:~].*)?[$%] \S", content, re.MULTILINE)
    ):
        return "console"
    return known or "sh"


def _typed(lines: tuple[str, ...]) -> str:
    """What is typed in a session, each line at its place; all of it where nothing has a prompt."""
    prompt = re.compile(r"\s*(?:\([\w.-]+\)\s*)?(?:[\w.-]{1,64}@[\w.-]{1,64}[^$#%]{0,200})?[$#%❯] (?=\S)")
    if not any(
        re.match(r"\s*(?:\([\w.-]+\)\s*)?(?:[\w.-]{1,64}@[\w.-]{1,64}[^$#%]{0,200})?[$%❯] \S", line) for line in lines
    ):
        return "\n".join(lines)
    typed: list[str] = []
    open_line = False
    for line in lines:
        match = prompt.match(line)
        content = line[match.end() :] if match else re.sub(r"^\s*> ", "", line) if open_line else ""
        typed.append(content)
        open_line = (open_line or match is not None) and content.rstrip().endswith("\\")
    return "\n".join(typed)


def reader() -> Markdown:
    """The reader of Markdown."""
    return Markdown()
