"""A Checkpoint from the headers of a GGUF file or of all parts of a split one."""

from __future__ import annotations

from vram.models.checkpoint import Checkpoint, Inventory
from vram.models.checkpoint_format import CheckpointFormat, ReadStart
from vram.models.config import ModelConfig
from vram.models.record import evolve
from vram_plugins.gguf.config import config_fields, tensor_types
from vram_plugins.gguf.header import GgufHeader, read_growing


class Gguf(CheckpointFormat):
    """ggml's format, as llama.cpp writes it."""

    name = "GGUF"
    suffixes = (".gguf",)

    def read_header(self, read: ReadStart, path: str) -> GgufHeader:
        return read_growing(read, path)

    def checkpoint(self, headers: tuple[GgufHeader, ...], *, model: str, path: str) -> Checkpoint:
        """The first part's metadata and the tensors of all. Raises CheckpointError for an unknown architecture.

        `quantization` is {"quant_method": "gguf", "tensor_types": {module: ggml type}}.
        """
        tensors = tuple(tensor for header in headers for tensor in header.tensors)
        whole = evolve(headers[0], tensors=tensors)
        inventory = Inventory(tensors=tensors, total_bytes=sum(tensor.nbytes for tensor in tensors), files=len(headers))
        return Checkpoint(
            id=model,
            source="gguf",
            config=ModelConfig(raw=config_fields(whole, path), path=path),
            quantization={"quant_method": "gguf", "tensor_types": tensor_types(whole)},
            inventory=inventory,
            stored_bytes=inventory.total_bytes,
            parameters=inventory.elements,  # GGUF shapes are logical, whatever the blocks pack
            notes=("The config is read from the GGUF file's own metadata.",),
        )
