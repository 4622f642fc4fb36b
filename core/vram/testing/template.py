"""The package that `vram plugins new` writes: the plugin template, under a name of one's own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from vram.errors import InputError
from vram.models.artifact import GeneratedFile

_PACKAGED = Path(__file__).parent / "plugin_template"
_IN_CHECKOUT = Path(__file__).parents[3] / "docs" / "plugin-template"
_TEXT = frozenset({".py", ".toml", ".txt"})


def template_files(name: str) -> tuple[GeneratedFile, ...]:
    """Its files for a package called `name` ("my-format"). Raises InputError where nothing can be called so."""
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    if not plain or not plain.isidentifier():
        raise InputError(
            name="folder", value=name, problem="must end in a name that a package can have: letters, digits, hyphens"
        )
    return tuple(_renamed(plain))


def _renamed(plain: str) -> Iterator[GeneratedFile]:
    root = _PACKAGED if _PACKAGED.is_dir() else _IN_CHECKOUT
    for path in sorted(root.rglob("*")):
        inside = path.relative_to(root)
        if path.suffix in _TEXT and not any(part.startswith((".", "__pycache__")) for part in inside.parts):
            text = path.read_text(encoding="utf-8")
            text = text.replace("vram_mine", plain).replace("vram-mine", plain.replace("_", "-"))
            text = re.sub(r"^(command_)?mine = ", rf"\g<1>{plain} = ", text, flags=re.MULTILINE)
            yield GeneratedFile(path=inside.as_posix().replace("vram_mine", plain), text=text)
