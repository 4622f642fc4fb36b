"""What a machine of a cloud runs when it starts: a shell script, or cloud-init's `#cloud-config` with commands and files in it."""

from __future__ import annotations

from collections.abc import Iterator

from vram.models.deployment_reader import DeploymentText, FoundServer
from vram.models.record import evolve
from vram_plugins.readers.documents import Items, Text, documents
from vram_plugins.readers.shell_servers import script_servers


def scripted(text: DeploymentText, script: Text) -> Iterator[FoundServer]:
    """The servers that it starts, at their lines."""
    if not script.startswith("#cloud-config"):
        yield from (evolve(s, line=s.line + script.line - 1) for s in script_servers(text, str(script)))
        return
    for document in documents("cloud-config.yaml", str(script)):
        for command in document.get("runcmd") or ():
            words = command.texts() if isinstance(command, Items) else []
            body = command if isinstance(command, Text) else " ".join(words)
            line = getattr(command, "line", 1) + script.line - 1
            yield from (evolve(s, line=s.line + line - 1) for s in script_servers(text, str(body)))
        for file in document.blocks("write_files"):
            content = file.get("content")
            if isinstance(content, Text):
                yield from text.within(file.text("path") or "script.sh", str(content), content.line + script.line - 1)
