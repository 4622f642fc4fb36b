"""What is wrong with one record that reads files or asks the machine: each function yields sentences."""

from __future__ import annotations

from collections.abc import Iterator

from vram.errors import DetectionError, VramError
from vram.models.checkpoint import Checkpoint, Inventory
from vram.models.checkpoint_format import CheckpointFormat
from vram.models.config import ModelConfig
from vram.models.deployment_reader import DeploymentReader, DeploymentText, FoundServer
from vram.models.detected import DetectedGpu, GpuDetector
from vram.models.inventory_source import InventorySource

#: ends of file names that vram reads itself
_OWN = (".json", ".safetensors")


def format_problems(form: CheckpointFormat) -> Iterator[str]:
    """Suffixes that are nobody else's; a file that is empty or full of zeros ends in a VramError or in a Checkpoint."""
    for suffix in form.suffixes:
        if not suffix.startswith(".") or suffix in _OWN:
            yield f"{form.name}: {suffix!r} is no end of a file name, or one that vram reads itself"
    for data in (b"", bytes(4096)):
        try:
            header = form.read_header(lambda limit, data=data: (data[:limit], len(data)), "x")  # type: ignore[misc]
            found = form.checkpoint((header,), model="x", path="x")
        except VramError:
            continue
        if not isinstance(found, Checkpoint):
            yield f"{form.name}: checkpoint gives a {type(found).__name__}, not a Checkpoint"


def detector_problems(detector: GpuDetector) -> Iterator[str]:
    """This machine's GPUs, or a DetectionError."""
    try:
        found = list(detector.detect())
    except DetectionError:
        return
    yield from (f"{detector.name}: gives a {type(g).__name__}" for g in found if not isinstance(g, DetectedGpu))
    if not found:
        yield f"{detector.name}: finds nothing and raises no DetectionError"


def source_problems(source: InventorySource) -> Iterator[str]:
    """A model of which nothing is known ends in None or a VramError."""
    empty = Checkpoint(id="x", source="local", config=ModelConfig(raw={}))
    try:
        found = source.inventory(empty, trust_remote_code=False)
    except VramError:
        return
    if found is not None and not isinstance(found, Inventory):
        yield f"{source.name}: inventory gives a {type(found).__name__}, not an Inventory or None"


def reader_problems(reader: DeploymentReader) -> Iterator[str]:
    """A text that is nobody's is not claimed or holds no server; what is found are FoundServers."""
    for text in ("", "\x00", "nothing is served here\n"):
        asked = DeploymentText(path="notes.txt", text=text)
        found = list(reader.servers(asked)) if reader.claims(asked) else []
        yield from (f"{reader.name}: gives a {type(s).__name__}" for s in found if not isinstance(s, FoundServer))
        if found:
            yield f"{reader.name}: finds a server in a text without one"
