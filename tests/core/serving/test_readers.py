"""How the readers that plugins give are asked: rank, depth, files beside, and readers that stumble."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from vram.errors import CheckpointError
from vram.models.deployment_reader import DeploymentReader, DeploymentText, FoundServer
from vram.plugin import plugins
from vram.plugin.blame import Origin
from vram.plugin.border import admitted
from vram.serving.reading import servers_of


class Lines(DeploymentReader):
    """A server for each line `serve MODEL`."""

    name = "lines"
    rank = 0

    def claims(self, text: DeploymentText) -> bool:
        return "serve" in text.text

    def servers(self, text: DeploymentText) -> Iterable[FoundServer]:
        for number, line in enumerate(text.text.splitlines(), start=1):
            if line.startswith("serve "):
                yield FoundServer(line=number, kind=self.name, words=tuple(line.split()[1:]), gpus=2)


class Special(Lines):
    name = "special"
    rank = 2


class Nested(DeploymentReader):
    """Reads the text again, as a text inside it."""

    name = "nested"

    def claims(self, text: DeploymentText) -> bool:
        return True

    def servers(self, text: DeploymentText) -> Iterable[FoundServer]:
        return text.within("inner", text.text, 2)


class Beside(DeploymentReader):
    name = "beside"

    def claims(self, text: DeploymentText) -> bool:
        return True

    def servers(self, text: DeploymentText) -> Iterable[FoundServer]:
        content = text.beside(text.text.strip())
        return [FoundServer(line=1, kind="beside", words=(content.strip(),))] if content else []


class Stumbling(DeploymentReader):
    name = "stumbling"

    def claims(self, text: DeploymentText) -> bool:
        raise ZeroDivisionError("a bug")

    def servers(self, text: DeploymentText) -> Iterable[FoundServer]:
        return []


class Named(dict[str, DeploymentReader]):
    blamed: list[str]

    def blame(self, name: str, error: BaseException) -> None:
        self.blamed.append(name)


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Named]:
    def use(*readers: DeploymentReader) -> Named:
        origin = Origin(plugin="mine", source="mine (mine 1.0)", hook="vram_deployment_readers")
        behind = [admitted(reader, DeploymentReader, lambda one: (one.name,), origin) for reader in readers]
        named = Named({reader.name: reader for reader in behind})
        named.blamed = []
        monkeypatch.setitem(vars(plugins()), "deployment_readers", named)
        return named

    return use


def test_a_server_has_its_command_and_what_the_file_says_of_it(reading: Callable[..., Named]) -> None:
    reading(Lines())
    (server,) = servers_of("x", "\nserve a/b --max-model-len 4096\n")
    assert server.command is not None
    assert (server.command.model, server.command.engine_args) == ("a/b", {"max_model_len": 4096})
    assert (server.found.line, server.command.gpus) == (2, 2)


def test_words_that_vllm_would_refuse_are_not_understood(reading: Callable[..., Named]) -> None:
    reading(Lines())
    (server,) = servers_of("x", "serve a/b --max-model-len long\n")
    assert server.command is None
    assert server.found.status == "not_understood"
    assert "is not a number" in str(server.found.problem)


def test_the_greater_rank_has_a_line(reading: Callable[..., Named]) -> None:
    reading(Special(), Lines())
    assert [server.found.kind for server in servers_of("x", "serve a/b\n")] == ["special"]


def test_a_text_inside_a_text_ends(reading: Callable[..., Named]) -> None:
    reading(Nested(), Lines())
    # each depth counts its lines from the second of the text around it: four depths of one server
    assert [server.found.line for server in servers_of("x", "serve a/b")] == [1, 2, 3, 4, 5]


def test_a_reader_that_stumbles_is_blamed_and_the_others_go_on(reading: Callable[..., Named]) -> None:
    named = reading(Stumbling(), Lines())
    assert len(servers_of("x", "serve a/b\n")) == 1
    assert named.blamed == ["stumbling"]


def test_files_beside_stay_inside_the_folder(reading: Callable[..., Named], tmp_path: Path) -> None:
    reading(Beside())
    (tmp_path / "outside.txt").write_text("secret")
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "near.txt").write_text("a/b")
    (inner / "link.txt").symlink_to(tmp_path / "outside.txt")
    for name, found in (("near.txt", 1), ("../outside.txt", 0), ("link.txt", 0), (str(tmp_path / "outside.txt"), 0)):
        (inner / "file").write_text(name)
        assert len(servers_of(inner / "file")) == found, name
    (inner / "file").write_text("../outside.txt")
    assert len(servers_of(inner / "file", root=tmp_path)) == 1


def test_a_file_too_large_and_a_folder_are_refused(reading: Callable[..., Named], tmp_path: Path) -> None:
    reading(Lines())
    (tmp_path / "large").write_bytes(b"x" * (1 << 21))
    for name in ("large", ".", "nowhere"):
        with pytest.raises(CheckpointError):
            servers_of(tmp_path / name)
