"""A command as a plugin announces it: enough for `--help` and completion, the rest by name."""

from __future__ import annotations

from collections.abc import Mapping

from vram.models.record import field, frozen

#: what `vram` promises to have under these names is a command's to give; all else that it promises is its own
PROMISED = frozenset({"compare", "plan"})


@frozen(kw_only=True)
class Command:
    """A word behind `vram`. `load` is the click command as "package.module:attribute", imported when it is called.

    `summary` is its line in `vram --help`, under `heading`. `library` are names that the plugin adds to the library, each with what it
    means: {"reconcile": "package.module:attribute"} is called as `vram.reconcile`, and imported then.
    """

    name: str
    summary: str
    load: str
    heading: str = "Other commands"
    library: Mapping[str, str] = field(factory=dict)
