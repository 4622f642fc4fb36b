"""Files in formats of plugins, read from here and from the Hub."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import pytest

from vram import hookimpl
from vram.checkpoint.open import open_checkpoint
from vram.errors import CheckpointError, ModelNotFoundError, PluginError
from vram.models.checkpoint import Checkpoint
from vram.models.checkpoint_format import CheckpointFormat, ReadStart
from vram.models.config import ModelConfig
from vram.plugin import manager
from vram.plugin.manager import Plugins

from .building import CONFIG
from .fake_hub import FakeHub

MODEL = "acme/tiny"
ONE_FILE = json.dumps(CONFIG).encode() + b"\nweights"


class OneFile(CheckpointFormat):
    name = "one-file"
    suffixes = (".onefile",)

    def read_header(self, read: ReadStart, path: str) -> tuple[object, int | None]:
        start, size = read(200)
        return json.loads(start.partition(b"\n")[0]), size

    def checkpoint(self, headers: Iterable[tuple[dict[str, object], int]], *, model: str, path: str) -> Checkpoint:
        (config, _), *_ = headers
        stored = sum(size for _, size in headers)
        return Checkpoint(id=model, source="local", config=ModelConfig(raw=config, path=path), stored_bytes=stored)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Replaces this process's plugins by one that gives these formats."""

    def install(*formats: CheckpointFormat) -> None:
        module = ModuleType("a_format")
        module.vram_checkpoint_formats = hookimpl(lambda: formats)  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "a_format", module)
        entry = EntryPoint(name="a_format", value="a_format", group="vram")
        monkeypatch.setattr(manager, "_current", Plugins([entry], disabled=()))

    return install


@pytest.fixture
def one_file(installed: Callable[..., None]) -> None:
    installed(OneFile())


@pytest.mark.usefixtures("one_file")
def test_a_file_is_opened_by_the_end_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "tiny.onefile").write_bytes(ONE_FILE)

    checkpoint = open_checkpoint(tmp_path / "tiny.onefile")

    assert (checkpoint.id, checkpoint.stored_bytes) == ("tiny", len(ONE_FILE))
    assert checkpoint.config.architecture == "LlamaForCausalLM"


@pytest.mark.usefixtures("one_file")
def test_all_parts_of_a_split_file_are_read(tmp_path: Path) -> None:
    for part in (1, 2):
        (tmp_path / f"tiny-0000{part}-of-00002.onefile").write_bytes(ONE_FILE)

    assert open_checkpoint(tmp_path / "tiny-00002-of-00002.onefile").stored_bytes == 2 * len(ONE_FILE)


@pytest.mark.usefixtures("one_file")
@pytest.mark.parametrize("chosen", [f"{MODEL}:q4", f"{MODEL}/tiny-Q4.onefile"])
def test_a_file_on_the_hub_is_named_whole_or_by_its_quantization(hub: FakeHub, chosen: str) -> None:
    hub.files[MODEL] = {"tiny-Q4.onefile": ONE_FILE, "tiny-Q8.onefile": b""}

    assert open_checkpoint(chosen).stored_bytes == len(ONE_FILE)


@pytest.mark.usefixtures("one_file")
def test_a_folder_and_a_repository_of_such_files_name_them(tmp_path: Path, hub: FakeHub) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "tiny.onefile").write_bytes(ONE_FILE)
    hub.files[MODEL] = {"tiny.onefile": ONE_FILE}

    for model in (tmp_path / "folder", MODEL):
        with pytest.raises(CheckpointError, match=r"one of its one-file files.*tiny\.onefile"):
            open_checkpoint(model)
    with pytest.raises(CheckpointError, match=r"no one-file file of 'Q9'; it has: tiny\.onefile"):
        open_checkpoint(f"{MODEL}:Q9")


@pytest.mark.usefixtures("one_file")
def test_a_plugin_that_stumbles_over_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "tiny.onefile").write_bytes(b"no JSON")

    with pytest.raises(PluginError, match=r"one-file\.read_header raises JSONDecodeError"):
        open_checkpoint(tmp_path / "tiny.onefile")


def test_without_a_plugin_such_a_file_is_refused_in_a_sentence(
    installed: Callable[..., None], tmp_path: Path, hub: FakeHub
) -> None:
    installed()
    (tmp_path / "tiny.gguf").write_bytes(b"GGUF\3\0\0\0")
    hub.files[MODEL] = {"tiny-Q4.gguf": b""}

    with pytest.raises(CheckpointError, match=r"is no config\.json, and no plugin reads \.gguf files"):
        open_checkpoint(tmp_path / "tiny.gguf")
    with pytest.raises(ModelNotFoundError, match="neither an existing path nor a possible Hub id"):
        open_checkpoint(f"{MODEL}/tiny-Q4.gguf")
    with pytest.raises(CheckpointError, match="has no whole-model file of 'Q4'"):
        open_checkpoint(f"{MODEL}:Q4")
