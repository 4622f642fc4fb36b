"""What the base install weighs: `python -m tests.packaging.weigh` prints a table, `--write` puts it into docs/how-to/install.md.

The packages are those that the declared ones ask for, from what is installed beside the interpreter that runs this.
"""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from tests.docs.tables import print_or_write

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "install.md"
BEGIN, END = "<!-- weights: python -m tests.packaging.weigh --write -->", "<!-- end -->"
#: what each declared package is for, and when it is imported
FOR = {
    "click": "the command line",
    "attrs": "records",
    "pluggy": "plugins",
    "cattrs": "answers and requests read back from JSON",
    "huggingface_hub": "models on the Hub, when one is asked for",
    "rich": "tables of `compare`, `plan`, `reconcile` and lists",
    "PyYAML": "manifests, compose files, profile files",
    "nvidia-ml-py": "this machine's GPUs, for `detect` and `--gpu auto`",
}


def declared() -> tuple[str, ...]:
    """The packages of the base install by name, as pyproject.toml has them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return tuple(re.split(r"[<>=!~ \[]", one, maxsplit=1)[0] for one in project["dependencies"])


def brought(name: str, seen: set[str]) -> list[Distribution]:
    """A package and what it asks for on this machine, none twice; extras are left out."""
    key = re.sub(r"[-_.]+", "-", name).lower()
    if key in seen:
        return []
    seen.add(key)
    try:
        own = distribution(name)
    except PackageNotFoundError:
        return []
    needed = [re.split(r"[<>=!~ ;\[(]", one, maxsplit=1)[0] for one in own.requires or () if "extra ==" not in one]
    return [own, *(one for each in needed for one in brought(each, seen))]


def weight(one: Distribution) -> int:
    """Bytes of its files, without compiled ones."""
    sizes = (Path(str(one.locate_file(file))) for file in one.files or () if not str(file).endswith(".pyc"))
    return sum(path.stat().st_size for path in sizes if path.is_file())


def table() -> str:
    """Markdown, the heaviest first: what is declared, its weight with what it brings, what for."""
    seen: set[str] = set()
    rows = []
    for name in sorted(declared(), key=lambda one: one == "huggingface_hub"):  # what others share counts with the first
        found = brought(name, seen)
        more = sorted(found[1:], key=weight, reverse=True)
        rows.append((sum(map(weight, found)), name, ", ".join(one.metadata["Name"] for one in more)))
    lines = ["| package | MB | with | for |", "|---|---:|---|---|"]
    lines += [
        f"| `{name}` | {size / 1e6:.1f} | {more} | {FOR[name]} |" for size, name, more in sorted(rows, reverse=True)
    ]
    return "\n".join([*lines, f"| all | {sum(row[0] for row in rows) / 1e6:.1f} | | |"])


if __name__ == "__main__":
    print_or_write(__doc__, table, PAGE, BEGIN, END)
