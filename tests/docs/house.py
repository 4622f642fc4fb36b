"""The house in one picture, drawn from what is really imported: floors as import-linter checks them, rooms with what they are
for and what they use.
"""

from __future__ import annotations

import ast
import textwrap
import tomllib
from collections.abc import Mapping
from functools import cache
from html import escape
from pathlib import Path

ROOT = Path(__file__).parents[2]
CORE, PLUGINS = ROOT / "core" / "vram", ROOT / "plugins" / "vram_plugins"
WIDTH, GAP, PAD, LINE = 1040, 12, 10, 15
#: what has no docstring of its own to tell
_TOLD = {"vram.api": "The library's first functions: estimate, max_context, max_concurrency."}
_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1f2328; } .name { font-weight: 600; font-size: 14px; }
.uses { fill: #57606a; font-size: 11px; } .room { fill: #f6f8fa; stroke: #8c959f; } .outside { fill: #eef4ff; stroke: #6e88b5; }
.floor { stroke: #d0d7de; } .page { fill: #ffffff; }
@media (prefers-color-scheme: dark) {
 text { fill: #e6edf3; } .uses { fill: #9aa4af; } .room { fill: #161b22; stroke: #6e7681; } .outside { fill: #152238; stroke: #58719e; }
 .floor { stroke: #30363d; } .page { fill: #0d1117; }
}
"""


def floors() -> list[list[str]]:
    """The rooms of each floor, from the roof down."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(one["layers"] for one in contracts if one["name"] == "floors of the core")
    return [[room.strip() for room in floor.split("|")] for floor in layers]


def purpose(path: Path) -> str:
    """The first sentence of a package's or module's docstring."""
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    return text.split("\n\n")[0].replace("\n", " ").split(". ")[0].rstrip(".:")


def uses() -> Mapping[str, set[str]]:
    """Which rooms of the core each room imports, also for type checkers and inside functions; but for what the contract of the floors
    lets pass by name (the types of what a platform is asked about).
    """
    import grimp

    graph = grimp.build_graph("vram", "vram_plugins", cache_dir=None)
    found: dict[str, set[str]] = {}
    for module in graph.modules:
        for target in graph.find_modules_directly_imported_by(module):
            if f"{module} -> {target}" in _passed():
                continue
            if target.startswith("vram.") and _room(target) != _room(module):
                found.setdefault(_room(module), set()).add(_room(target))
    return found


@cache
def _passed() -> frozenset[str]:
    """Imports that the contract named after the floors ignores (pyproject.toml)."""
    contracts = tomllib.loads((CORE.parents[1] / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    return frozenset(next(one for one in contracts if one["name"] == "floors of the core").get("ignore_imports", ()))


def _room(module: str) -> str:
    return ".".join(module.split(".")[:2])


def picture() -> str:
    """The house as SVG: plugins above, the floors of the core below them."""
    imported = uses()
    guests = sorted(path.parent.name for path in PLUGINS.glob("*/__init__.py"))
    rows: list[tuple[str, list[tuple[str, str, str]]]] = []
    for start in range(0, len(guests), 4):
        row = guests[start : start + 4]
        rows.append(("outside", [(name, *_told(f"vram_plugins.{name}", PLUGINS / name, imported)) for name in row]))
    rows += [("room", [(room, *_told(f"vram.{room}", CORE / room, imported)) for room in floor]) for floor in floors()]
    parts, top = [], GAP
    for index, (kind, rooms) in enumerate(rows):
        if kind == "room" and rows[index - 1][0] == "outside":
            parts.append(
                _line(top, "plugins: whatever could be somebody else's package; commands use the public library alone")
            )
            top += 2 * LINE
        width = (WIDTH - GAP * (len(rooms) + 1)) / len(rooms)
        boxes = [_box(GAP + i * (width + GAP), top, width, kind, room) for i, room in enumerate(rooms)]
        height = max(box[0] for box in boxes)
        parts += [text.replace("HEIGHT", f"{height:g}") for _, text in boxes]
        top += height + GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top:g}" role="img" '
        f'aria-label="The rooms of vram: each may use the floors below it">\n<style>{_STYLE}</style>\n'
        f'<rect class="page" width="{WIDTH}" height="{top:g}"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _told(name: str, place: Path, imported: Mapping[str, set[str]]) -> tuple[str, str]:
    path = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    rooms = sorted(room.removeprefix("vram.") for room in imported.get(name, ()))
    return _TOLD.get(name) or purpose(path), f"uses {', '.join(rooms)}" if rooms else "uses nothing"


def _box(left: float, top: float, width: float, kind: str, room: tuple[str, str, str]) -> tuple[float, str]:
    """Its height, and the drawing, whose rectangle has HEIGHT for the row's."""
    name, told, used = room
    wide = int((width - 2 * PAD) / 6.1)
    lines = [("name", name), *(("", line) for line in textwrap.wrap(told, wide))]
    lines += [("uses", line) for line in textwrap.wrap(used, int(wide * 1.1))]
    height = 2 * PAD + LINE * len(lines)
    text = "".join(
        f'<text class="{style}" x="{left + PAD:g}" y="{top + PAD + LINE * (i + 0.8):g}">{escape(line)}</text>'
        for i, (style, line) in enumerate(lines)
    )
    frame = f'<rect class="{kind}" x="{left:g}" y="{top:g}" width="{width:g}" height="HEIGHT" rx="6"/>'
    return height, frame + text


def _line(top: float, told: str) -> str:
    return (
        f'<line class="floor" x1="{GAP}" x2="{WIDTH - GAP}" y1="{top:g}" y2="{top:g}"/>'
        f'<text class="uses" x="{GAP}" y="{top + LINE:g}">▲ {escape(told)}  ·  ▼ the core: a room may use the floors below it</text>'
    )
