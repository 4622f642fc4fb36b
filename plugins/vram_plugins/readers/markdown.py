"""Markdown and reStructuredText: the servers in code blocks, each read as the file that it would be. Prose holds none."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from itertools import pairwise

from vram.models.deployment_reader import DeploymentReader, DeploymentText, FoundServer
from vram.models.record import frozen
from vram_plugins.readers.cells import translated
from vram_plugins.readers.engines import on_named_device
from vram_plugins.readers.launch import on_release, pinned

_SUFFIXES = (".md", ".markdown", ".mdx", ".rst", ".qmd", ".mdc")
_FENCE = re.compile(r"([ \t>]*(?:(?:[-*+]|\d+[.)])[ \t]+)?)(`{3,}|~{3,})[ \t]*([^`\n]*)$")
_DIRECTIVE = re.compile(r"([ \t]*)\.\.\s+(?:code-block|code|sourcecode|prompt)::[ \t]*(\S*)")
_LANGUAGE = re.compile(r"[{.]*\s*\.?([A-Za-z0-9_+-]+)")
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
#: a command that stands in the text without a fence around it: one that names a model or flags, for prose names the program too
_BARE = re.compile(
    r"\s*(?:(?:[-*+>]|\d+[.)])\s+)?(?:\$\s+)?(?:[A-Z_]+=\S+\s+)*(?:sudo\s+|uv run\s+|nohup\s+)*(?:[\w.~/-]*/)?"
    r"(?:vllm serve\s+(?=[\w.~$-]*/|--|\$|\\$)|python3?\s+-m\s+vllm\.entrypoints\.\S+\s+(?:--|\\$)|docker run\s+-.*(?:vllm|\\$))"
)
_MOST_LINES = 300  # of a block without a fence
_UNIT = re.compile(r"^\[(?:Service|Container)\]", re.MULTILINE)
_EXPORTED = re.compile(
    r"^[^\S\n]*(?:\$[^\S\n]+)?export[^\S\n]+([A-Za-z_]\w*)=(\"[^\"$`\\]*\"|'[^']*'|[^\s\"'$`\\;&|]+)[^\S\n]*(?:#.*)?$",
    re.MULTILINE,
)
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


@frozen(kw_only=True)
class _Block:
    language: str
    lines: tuple[str, ...]
    line: int  # of its first


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
    blocks = list(_blocks(text.text.splitlines()))
    version = pinned("\n".join(line for block in blocks for line in block.lines))
    for server in _of_blocks(text, blocks):
        yield on_release(server, version)


def _of_blocks(text: DeploymentText, blocks: Iterable[_Block]) -> Iterator[FoundServer]:
    exported: dict[str, str] = {}
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
        if name != "sh":
            if _NEEDLE.search(content):
                yield from text.within(file, content + "\n", block.line)
            continue
        if _NEEDLE.search(content):
            # a reader types one block after the other into the same shell
            set_before = "".join(f"export {key}={shlex.quote(value)}; " for key, value in exported.items())
            yield from text.within(file, set_before + content + "\n", block.line)
        exported |= {key: value.strip("\"'") for key, value in _EXPORTED.findall(content)}


def _name(language: str, content: str) -> str | None:
    """What kind of file a block is; None for one that holds no commands."""
    known = _NAMES.get(language.lower()) if language else ""
    if known is None:
        commands = not _NO_COMMANDS.fullmatch(language) and any(_BARE.match(line) for line in content.split("\n"))
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


def _blocks(lines: list[str]) -> Iterator[_Block]:
    index = 0
    hidden = False
    while index < len(lines):
        line = lines[index]
        if hidden or "<!--" in line:
            hidden = "-->" not in line[line.find("<!--") :] if "<!--" in line and not hidden else "-->" not in line
            index += 1
            continue
        if (end := _indented_end(lines, index)) and any(_BARE.match(one) for one in lines[index:end]):
            yield from _indented(lines, index, end)
        if end:
            index = end
            continue
        if _BARE.match(line):
            start, index = index, index + 1
            while index < len(lines) and lines[index - 1].endswith("\\"):
                index += 1
            bare = (re.sub(r"^\s*(?:(?:[-*+>]|\d+[.)])\s+)?(?:\$\s+)?", "", line), *lines[start + 1 : index])
            yield _Block(language="sh", lines=bare, line=start + 1)
            continue
        if "`" not in line and "~" not in line and "::" not in line:
            index += 1
            continue
        fence = _FENCE.match(line)
        directive = _DIRECTIVE.match(line) if fence is None else None
        index += 1
        if fence is not None:
            start, index = index, _fence_end(lines, index, fence[2])
            indent = re.sub(r"[^\s>]", " ", fence[1])
            yield _Block(language=_language(fence[3]), lines=_outdented(lines[start:index], indent), line=start + 1)
            index += 1
        elif directive is not None:
            start, index = index, _directive_end(lines, index, len(directive[1]))
            body = lines[start:index]
            skipped = next((i for i, one in enumerate(body) if not one.strip()), 0)
            body, start = body[skipped:], start + skipped
            depths = [len(one) - len(one.lstrip()) for one in body if one.strip()]
            cut = min(depths, default=0)
            yield _Block(language=directive[2] or "text", lines=tuple(one[cut:] for one in body), line=start + 1)


def _indented(lines: list[str], start: int, end: int) -> Iterator[_Block]:
    """What stands in code by indentation: one block, or where only some of its parts are typed behind a prompt, each part."""
    prompted = [bool(re.match(r"\s*\$ \S", line)) for line in lines[start:end]]
    parts = [start, end]
    if any(prompted) and not prompted[0]:
        parts[1:1] = [index for index in range(start + 1, end) if not lines[index].strip()]
    for first, last in pairwise(parts):
        part = lines[first:last]
        cut = min((len(line) - len(line.lstrip()) for line in part if line.strip()), default=0)
        yield _Block(language="", lines=tuple(line[cut:] for line in part), line=first + 1)


def _indented_end(lines: list[str], index: int) -> int:
    """The end of a block that indentation alone makes code; 0 where none begins, or where fences are in it."""
    code = re.compile(r"(?: {4}|\t)\s*\S")
    if not code.match(lines[index]) or (index and lines[index - 1].strip()):
        return 0
    end = index
    while end < min(len(lines), index + _MOST_LINES) and (code.match(lines[end]) or not lines[end].strip()):
        if "```" in lines[end] or "~~~" in lines[end]:
            return 0
        end += 1
    return end


def _language(info: str) -> str:
    match = _LANGUAGE.match(info.strip())
    return match[1] if match else ""


def _fence_end(lines: list[str], index: int, mark: str) -> int:
    close = re.compile(rf"[ \t>]*{re.escape(mark[0])}{{{len(mark)},}}[ \t]*$")
    while index < len(lines) and not close.match(lines[index]):
        index += 1
    return index


def _directive_end(lines: list[str], index: int, depth: int) -> int:
    while index < len(lines) and (not lines[index].strip() or len(lines[index]) - len(lines[index].lstrip()) > depth):
        index += 1
    return index


def _outdented(lines: list[str], indent: str) -> tuple[str, ...]:
    """A block's lines without the indentation (or quotation) of its fence."""
    if not indent:
        return tuple(lines)
    if ">" in indent:
        return tuple(re.sub(r"^[ \t]*(?:> ?)+", "", line) for line in lines)
    return tuple(line[len(indent) :] if line[: len(indent)].isspace() else line.lstrip() for line in lines)


def reader() -> Markdown:
    """The reader of Markdown."""
    return Markdown()
