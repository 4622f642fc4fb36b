"""An answered deployment of a small model, and all the files that each kind of artifact makes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vram
from vram.deploy.generate import artifact_request, render_files
from vram.models.saved_request import SavedRequest
from vram.plugin.manager import plugins

CONFIG = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16", "hidden_size": 2048,
    "num_hidden_layers": 16, "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 8192,
    "vocab_size": 128256, "max_position_embeddings": 131072, "rope_theta": 500000.0, "tie_word_embeddings": True,
}  # fmt: skip
KINDS = ("command", "profile", "compose", "k8s", "helm")


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Writes a small Llama's config into a folder of any name, and gives its path."""

    def write(name: str = "small-llama") -> str:
        folder = tmp_path_factory.getbasetemp() / "models" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(CONFIG))
        return str(folder)

    return write


@pytest.fixture(scope="session")
def files_of(small_model: Callable[..., str]) -> Callable[..., dict[str, str]]:
    """The files of some kinds for a request: path -> text. The model is the small one unless said otherwise."""

    def generate(*kinds: str, model: str | None = None, **asked: Any) -> dict[str, str]:
        asked = {"gpu": "H100", "concurrency": 1, "model": model or small_model(), **asked}
        request = SavedRequest(**asked, emit=kinds or KINDS)
        estimate = vram.estimate(
            request.model or "",
            gpu=request.gpu,
            gpus=request.gpus,
            concurrency=request.concurrency or 1,
            vllm_version=request.vllm_version,
            **request.engine_args,
        )
        files = render_files(plugins(), request.emit, artifact_request(estimate, request))
        return {file.path: file.text for file in files}

    return generate


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str, str], Path]:
    """Writes a text into a file of a fresh folder."""

    def write(name: str, text: str) -> Path:
        path = tmp_path / Path(name).name
        path.write_text(text, encoding="utf-8", errors="surrogateescape")
        return path

    return write
