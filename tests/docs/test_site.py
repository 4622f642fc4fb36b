"""The site: every page is in the menu and linked where it is needed, and a reader of the wheel meets no file he has not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))


class _Loader(yaml.SafeLoader):
    """Of a file with tags that Python alone knows."""


_Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)
MENU = yaml.load((ROOT / ".mkdocs.yml").read_text(), Loader=_Loader)["nav"]


def listed(menu: object) -> list[str]:
    """Pages of a menu, in order."""
    if isinstance(menu, str):
        return [menu]
    inner = menu.values() if isinstance(menu, dict) else menu
    return [page for each in inner for page in listed(each)]


FOR_MAINTAINERS = set(next(listed(section) for section in MENU if isinstance(section, dict) and "Maintain" in section))
#: written by a program from the code itself, whose docstrings say where rules are from
WRITTEN = {
    "reference/records.md", "reference/architecture-kit.md", "reference/quantization-kit.md", "reference/names.md",
    "reference/architectures.md", "reference/flags.md", "reference/known-faults.md", "reference/gpus.md", "reference/models.md",
}  # fmt: skip
_OURS = re.compile(r"(?<![\w/.])(?:tests|core|plugins|overhead_profiles|docs)/[\w./-]+")


#: what is measured names the command that measures it, and says whose it is
MEASURED = {"explanation/accuracy.md", "explanation/overhead.md", "explanation/performance.md"}
_NOTE = "Commands and paths on this page are the [repository's](../contributing.md)."


def test_the_menu_has_every_page_once() -> None:
    assert sorted(listed(MENU)) == PAGES


@pytest.mark.parametrize("page", [page for page in PAGES if page != "index.md"])
def test_a_page_is_linked_from_another(page: str) -> None:
    links = set()
    for other in PAGES:
        if other != page:
            for target in re.findall(r"\]\(([^)#\s]+\.md)", (DOCS / other).read_text(encoding="utf-8")):
                links.add(((DOCS / other).parent / target).resolve())
    assert (DOCS / page).resolve() in links


@pytest.mark.parametrize("page", sorted(set(PAGES) - FOR_MAINTAINERS - WRITTEN - MEASURED))
def test_a_users_page_refers_to_no_file_of_the_repository(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    text = re.sub(r'^--8<-- .*$|title="[^"]*"', "", text, flags=re.MULTILINE)  # put in while the site is built
    assert not sorted(set(_OURS.findall(text)) - {"tests/test_plugin.py"})  # the tutorial's own


@pytest.mark.parametrize("page", sorted(MEASURED))
def test_a_page_of_measurements_says_whose_commands_it_names(page: str) -> None:
    assert _NOTE in (DOCS / page).read_text(encoding="utf-8")
