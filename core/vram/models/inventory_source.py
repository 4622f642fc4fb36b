"""The contract of an inventory source: the tensors of a model of which neither an adapter nor a file's header tells."""

from __future__ import annotations

from abc import ABC, abstractmethod

from vram.models.checkpoint import Checkpoint, Inventory


class InventorySource(ABC):
    """One way to learn them, called `name` in sentences.

    Asked of a model in a folder or on the Hub whose architecture no adapter knows and whose headers cannot be read. A config that may be
    no plain decoder's is refused before any source is asked: its name is no generating model's, or a field speaks of what a plain
    decoder has not. The first source that tells counts.
    """

    name: str

    @abstractmethod
    def inventory(self, checkpoint: Checkpoint, *, trust_remote_code: bool) -> Inventory | None:
        """The model's tensors, unquantized; None, soon and without a heavy import, where this source cannot tell.

        The checkpoint's files are in the folder of `config.path` where its `source` is "local", else `id` is that of the Hub.
        Code of a repository runs only with `trust_remote_code`: RemoteCodeError without. Any other VramError becomes a note.
        """
