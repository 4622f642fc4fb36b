"""A release: `python .ci/release.py build v0.2.0` makes and checks what is published, `... notes v0.2.0` prints its notes.

The tag, pyproject.toml, `vram.__version__` and a dated heading of CHANGELOG.md must say the same version. Attestations are made where
the workflow publishes (.github/workflows/release.yml): a signature needs the identity that only that has.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
_LARGEST_WHEEL = 4 * 2**20


def main() -> None:
    """Exit with a sentence where something is not as it must be."""
    match sys.argv[1:]:
        case ["notes", tag]:
            print(notes(tag.removeprefix("v")))
        case ["build", tag]:
            build(tag.removeprefix("v"))
        case _:
            raise SystemExit(__doc__)


def notes(version: str, changelog: str | None = None) -> str:
    """The section of a version, without its heading. Exits where there is none."""
    text = _text("CHANGELOG.md") if changelog is None else changelog
    found = re.search(rf"^## {re.escape(version)} \([^)]*\)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if found is None or not found[1].strip():
        raise SystemExit(f"CHANGELOG.md has no section '## {version} (date)' with anything in it.")
    return found[1].strip()


def build(version: str) -> None:
    """sdist and wheel in dist/, checked: one version everywhere, what twine says, and nothing in the wheel that is not meant."""
    changelog, own = (
        _text("CHANGELOG.md"),
        re.search(r'^__version__ = "(.*)"$', _text("core/vram/__init__.py"), re.MULTILINE),
    )
    stated = tomllib.loads(_text("pyproject.toml"))["project"]["version"]
    if {version, stated, own[1] if own else ""} != {version}:
        raise SystemExit(f"The tag says {version}, pyproject.toml {stated}, vram.__version__ {own and own[1]}.")
    if not re.search(rf"^## {re.escape(version)} \(\d{{4}}-\d\d-\d\d\)$", changelog, re.MULTILINE):
        raise SystemExit(f"CHANGELOG.md does not say when {version} came out: '## {version} (2026-01-31)'.")
    if DIST.exists() and any(DIST.iterdir()):
        raise SystemExit("dist/ is not empty.")
    subprocess.run([sys.executable, "-m", "build", "--outdir", str(DIST), str(ROOT)], check=True)
    made = sorted(map(str, DIST.iterdir()))
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *made], check=True)
    (wheel,) = (Path(file) for file in made if file.endswith(".whl"))
    strays = strays_in(wheel)
    if strays or wheel.stat().st_size > _LARGEST_WHEEL:
        raise SystemExit(
            f"{wheel.name} has {wheel.stat().st_size:,} bytes, and {', '.join(strays) or 'nothing'} that is not meant."
        )


def _text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def strays_in(wheel: Path) -> list[str]:
    """Files of a wheel beside its packages and its own facts."""
    with zipfile.ZipFile(wheel) as file:
        return [
            name
            for name in file.namelist()
            if not re.match(r"vram/|vram_plugins/|vram_estimator-[\w.]+\.dist-info/", name)
        ]


if __name__ == "__main__":
    main()
