"""Reading version texts."""

from __future__ import annotations

import pytest

from vram.errors import InputError
from vram.vllm.versions import NEWEST, parse_version


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("0.19.1", (0, 19, 1)),
        ("v0.14.1+rhai0", (0, 14, 1)),
        ("0.26.1rc1.dev608+g99a10304d", (0, 26, 1)),
        ("0.1.dev18496+gd4e0675a7", NEWEST),  # setuptools-scm's name for a checkout without tags
    ],
)
def test_versions_of_releases_and_builds(text, version):
    assert parse_version(text) == version


def test_what_is_too_old_or_no_version_is_refused():
    for text in ("0.5.5", "main"):
        with pytest.raises(InputError):
            parse_version(text)
