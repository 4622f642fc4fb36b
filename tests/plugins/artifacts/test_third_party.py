"""A third party's artifact is written like a built-in one, and cannot leave the folder or take another's file."""

from __future__ import annotations

import json
import sys
import textwrap
import types
from collections.abc import Callable
from importlib.metadata import EntryPoint

import pytest

import vram
from vram import hookimpl
from vram.deploy.generate import artifact_request, render_files
from vram.errors import PluginError
from vram.models.artifact import Artifact, ArtifactRequest, GeneratedFile
from vram.models.saved_request import SavedRequest
from vram.plugin import hookspecs
from vram.plugin.manager import Plugins


@pytest.fixture
def request_(small_model: Callable[..., str]) -> ArtifactRequest:
    asked = SavedRequest(model=small_model(), engine_args={"max_model_len": 4096})
    return artifact_request(vram.estimate(asked.model or "", gpu="H100", max_model_len=4096), asked)


def registry(monkeypatch: pytest.MonkeyPatch, **attributes: object) -> Plugins:
    module = types.ModuleType("made_up_artifact")
    vars(module).update(attributes)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return Plugins([EntryPoint(name="mine", value=module.__name__, group="vram")], disabled=())


def writes(*paths: str) -> Callable[[], list[Artifact]]:
    class Mine(Artifact):
        name = "mine"

        def render(self, request: ArtifactRequest) -> tuple[GeneratedFile, ...]:
            return tuple(GeneratedFile(path=path, text="") for path in paths)

    @hookimpl
    def vram_artifacts() -> list[Artifact]:
        return [Mine()]

    return vram_artifacts


def test_the_example_in_the_hooks_docstring_works(monkeypatch: pytest.MonkeyPatch, request_: ArtifactRequest) -> None:
    lines = (hookspecs.vram_artifacts.__doc__ or "").splitlines()
    example = textwrap.dedent("\n".join(line for line in lines if line.startswith(" " * 8) or not line.strip()))
    names: dict[str, object] = {}
    exec(example, names)
    found = registry(monkeypatch, vram_artifacts=names["vram_artifacts"])
    (file,) = render_files(found, ("json-arguments",), request_)
    assert json.loads(file.text) == {"model": request_.model, "max_model_len": 4096}


@pytest.mark.parametrize(
    "paths", [("../out.txt",), ("/tmp/out.txt",), ("a/../../b",), ("a", "a"), ("",), ("a//b",), (".",)]
)
def test_files_outside_the_folder_or_written_twice_are_refused(
    monkeypatch: pytest.MonkeyPatch, request_: ArtifactRequest, paths: tuple[str, ...]
) -> None:
    with pytest.raises(PluginError, match=r"Plugin mine .*, vram_artifacts: mine\.render "):
        render_files(registry(monkeypatch, vram_artifacts=writes(*paths)), ("mine",), request_)
