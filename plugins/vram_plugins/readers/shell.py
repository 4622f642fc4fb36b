"""Shell scripts and pasted commands as files of their own, in which words may also be prose."""

from __future__ import annotations

import re
from collections.abc import Iterable

from vram.models.deployment_reader import DeploymentReader, DeploymentText, FoundServer
from vram.serving import parse_words
from vram_plugins.readers.engines import on_named_device
from vram_plugins.readers.shell_elsewhere import handed_on
from vram_plugins.readers.shell_servers import script_servers

_SUFFIXES = (".sh", ".bash", ".zsh", ".ksh", ".slurm", ".sbatch", ".job", ".sl", ".command", ".txt")
#: how a command begins in a text that may be prose: behind a prompt, cron's times, variables, programs that start others
_COMMAND = re.compile(
    r"""[ \t]*(?:[$#%>][ \t]+)?(?:@\w+[ \t]+|(?:[\d*/,-]+[ \t]+){5})?(?:\w+=(?:"[^"\n]*"|'[^'\n]*'|[^\s"']*)[ \t]+)*"""
    r"""(?:[-\w./~${}]*/)?(?:sudo|nohup|exec|env|time|export|numactl|taskset|srun|mpirun|setsid|screen|tmux|timeout|bash|sh|ssh|eval|uv|uvx|poetry|"""
    r"""conda|micromamba|pixi|vllm|python\d?[\d.]*|docker|podman|nerdctl|sky|singularity|apptainer|enroot|kubectl|ray|torchrun|accelerate|nsys|"""
    r"""sglang|text-generation-launcher|tritonserver|trtllm-serve|lmdeploy|ollama|llama-server|mlc_llm|xinference|aphrodite)[ \t]"""
)
_SHEBANG = re.compile(r"#!.*\b(?:ba|z|k|da)?sh\b")
#: a file without any of these holds no server
_NEEDLE = re.compile(
    r"vllm|sglang|text-generation|tritonserver|trtllm|llama|lmdeploy|ollama|kserve|aphrodite|LLM\(|\bmii\b|mlc_llm|xinference|docker|podman",
    re.IGNORECASE,
)
_OTHERS = (
    "dockerfile",
    "containerfile",
    "makefile",
    "gnumakefile",
    "justfile",
    "procfile",
    "jenkinsfile",
    "license",
    "requirements",
)


class Shell(DeploymentReader):
    """One server for each command that starts one."""

    name = "shell"
    rank = 0

    def claims(self, text: DeploymentText) -> bool:
        path = text.path.rsplit("/", 1)[-1].lower()
        named = path.endswith(_SUFFIXES) or "." not in path or _SHEBANG.match(text.text) is not None
        return named and not path.startswith(_OTHERS) and _NEEDLE.search(text.text) is not None

    def servers(self, text: DeploymentText) -> Iterable[FoundServer]:
        found = on_named_device(text.path, script_servers(text, text.text))
        if text.path.lower().endswith(_SUFFIXES[:-1]) or _SHEBANG.match(text.text):
            return list(found) or list(handed_on(text))
        lines = text.text.split("\n")
        return [server for server in found if _COMMAND.match(lines[server.line - 1]) and not _is_prose(server)]


def _is_prose(server: FoundServer) -> bool:
    """Whether words stand behind the model where vLLM takes none: "vllm serve does this"."""
    return server.status == "vllm" and any(
        re.match(r"unrecognized arguments: [^-]", refusal)
        for refusal in parse_words(("vllm", "serve", *server.words)).refusals
    )


def reader() -> Shell:
    """The reader of shell scripts."""
    return Shell()
