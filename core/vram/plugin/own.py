"""The commands that answer a question. Others are plugins': see `vram.plugin.commands`."""

from __future__ import annotations

from vram.models.command import Command

#: in the order of `vram --help`
OWN = tuple(
    Command(name=name, summary=summary, load=f"vram.cli.{name.replace('-', '_')}:command")
    for name, summary in {
        "estimate": "Will it start, and what will it hold? Per GPU, before you rent it.",
        "max-context": "The largest context that fits at a number of users.",
        "plan": "How to run it: flags that start and fit, on the fewest GPUs, with the reasons.",
        "generate": "Files that deploy an answer: a command, compose, Kubernetes, Helm, a profile.",
        "max-concurrency": "The most users that fit at a context length.",
        "models": "The bundled catalog: models answered for offline and without a token.",
        "profiles": "GPUs and overhead profiles, with their sources.",
        "plugins": "What is loaded, from which package, and what failed.",
    }.items()
)
