"""`vram profiles`: what is known of GPUs."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from vram.cli import cli
from vram.errors import UnknownNameError


def vram(*arguments: str) -> str:
    return CliRunner(env={"COLUMNS": "200"}).invoke(cli, ["profiles", *arguments], catch_exceptions=False).output


def test_profiles_are_listed_with_their_gpus() -> None:
    profiles = json.loads(vram("--json"))
    assert all(isinstance(profile["gpus"], list) for profile in profiles)
    assert "H100 80GB SXM" in vram()


def test_one_gpu_is_shown_by_a_name_people_type() -> None:
    shown = json.loads(vram("show", "h100", "--json"))
    assert (shown["name"], shown["compute_capability"]) == ("H100 80GB SXM", "9.0")
    assert "compute_capability: 9.0" in vram("show", "h100")


def test_one_profile_is_shown_with_its_constants() -> None:
    assert json.loads(vram("show", "generic", "--json"))["constants"]


def test_what_is_neither_is_refused_with_names_of_both() -> None:
    with pytest.raises(UnknownNameError, match="profile or GPU"):
        vram("show", "H10")
