"""Where questions come from others, models are opened out of the folders that were allowed, and nothing is learnt of the rest."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import vram
from vram.checkpoint import models_only_from
from vram.errors import ModelNotFoundError

Write = Callable[..., Path]


def refusal(model: Path | str) -> str:
    with pytest.raises(ModelNotFoundError) as refused:
        vram.estimate(model, gpu="H100")
    return str(refused.value).replace(str(model), "MODEL")


def test_outside_of_it_a_model_is_as_one_that_is_not_there(model_folder: Write, tmp_path: Path) -> None:
    there = model_folder()
    with models_only_from(tmp_path / "allowed"):
        assert refusal(there) == refusal(tmp_path / "nothing")
    with models_only_from():
        assert refusal(there) == refusal(tmp_path / "nothing")


def test_inside_it_is_opened(model_folder: Write, tmp_path: Path) -> None:
    with models_only_from(tmp_path):
        assert vram.estimate(model_folder(), gpu="H100").model.source == "local"


def test_what_was_opened_before_is_not_given_from_memory(model_folder: Write, tmp_path: Path) -> None:
    there = model_folder()
    assert vram.estimate(there, gpu="H100").verdict.starts
    with models_only_from():
        refusal(there)
    assert vram.estimate(there, gpu="H100").verdict.starts


def test_no_way_leads_out_by_dots_links_or_a_longer_name(model_folder: Write, tmp_path: Path) -> None:
    there = model_folder()
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    (allowed / "link").symlink_to(there)
    (allowed / "inner").mkdir()
    (allowed / "inner" / "config.json").symlink_to(there / "config.json")
    (tmp_path / "allowed-too").symlink_to(there)
    with models_only_from(allowed):
        for way in (allowed / ".." / "model", allowed / "link", allowed / "inner", allowed / "inner" / "config.json"):
            refusal(way)
        refusal(tmp_path / "allowed-too")


def test_a_link_that_stays_inside_is_followed(model_folder: Write, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(model_folder())
    with models_only_from(tmp_path):
        assert vram.estimate(tmp_path / "link", gpu="H100").verdict.starts


def test_a_draft_outside_is_refused_too(model_folder: Write, tmp_path: Path) -> None:
    draft = {"model": str(model_folder()), "num_speculative_tokens": 3}
    with models_only_from(), pytest.raises(ModelNotFoundError):
        vram.estimate("meta-llama/Llama-3.1-8B-Instruct", gpu="H100", speculative_config=draft)


def test_a_hub_id_is_the_hubs_where_a_folder_here_has_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "Qwen" / "Qwen3-8B"
    own.mkdir(parents=True)
    (own / "config.json").write_text(json.dumps({"architectures": ["Nothing"]}))
    monkeypatch.chdir(tmp_path)
    with models_only_from():
        assert vram.estimate("Qwen/Qwen3-8B", gpu="H100").model.source == "catalog"
