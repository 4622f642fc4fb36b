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


def test_of_equal_rank_the_first_has_a_line_and_the_lines_are_in_order(reading: Callable[..., Named]) -> None:
    class Later(Lines):
        name = "later"

    reading(Lines(), Later())
    found = servers_of("x", "serve a/b\n\nserve c/d\n")
    assert [(server.found.kind, server.found.line) for server in found] == [("lines", 1), ("lines", 3)]


def test_a_file_has_up_to_a_thousand_servers(reading: Callable[..., Named]) -> None:
    reading(Lines())
    assert len(servers_of("x", "serve a/b\n" * 1000)) == 1000
    with pytest.raises(CheckpointError, match="has more than 1,000 servers"):
        servers_of("x", "serve a/b\n" * 1001)


class Broken(Lines):
    name = "broken"

    def servers(self, text: DeploymentText) -> Iterable[FoundServer]:
        raise CheckpointError(path=text.path, problem=f"is broken for {self.name}")


class Torn(Broken):
    name = "torn"


def test_a_broken_file_is_told_of_where_no_reader_sees_a_server_in_it(reading: Callable[..., Named]) -> None:
    reading(Broken(), Torn())
    with pytest.raises(CheckpointError, match="is broken for broken"):
        servers_of("x", "serve a/b\n")
    reading(Broken(), Lines())
    assert len(servers_of("x", "serve a/b\n")) == 1


def test_a_server_may_be_asked_about_on_other_gpus_and_releases(reading: Callable[..., Named]) -> None:
    reading(Lines())
    (server,) = servers_of("x", "serve a/b --swap-space 4 -tp 4\n")
    assert server.problem is not None
    assert "it left vLLM" in server.problem
    other = server.on(gpu="L40S", gpus=4, version="0.17.0")
    assert other.command is not None
    assert (other.problem, other.command.gpu, other.command.gpus) == (None, "L40S", 4)
    same = server.on(version="0.17.0")
    assert same.command is not None
    assert same.command.gpus == 2
    assert same.problem == "the parallel sizes ask for 4 GPUs where 2 are given"


def test_what_the_file_says_stands_over_the_images_tag(reading: Callable[..., Named]) -> None:
    class Imaged(Lines):
        def servers(self, text: DeploymentText) -> Iterable[FoundServer]:
            facts = {
                "image": "vllm/vllm-openai:v0.17.0",
                "environment": {"A": "1"},
                "left_out": ("x is left out",),
                "assumed": ("y",),
            }
            yield FoundServer(line=1, kind="k", words=("a/b", "--swap-space", "4", "$Z"), **facts)
            yield FoundServer(line=2, kind="k", words=("a/b", "--swap-space", "4"), vllm_version="0.18.0", **facts)
            yield FoundServer(line=3, kind="k", status="not_vllm", problem="runs SGLang")

    reading(Imaged())
    first, second, third = servers_of("x", "serve")
    assert first.command is not None
    assert (first.command.vllm_version, first.problem, first.command.environment) == ("0.17.0", None, {"A": "1"})
    assert first.command.left_out == ("x is left out", "$Z is not known here.")
    assert first.command.assumed[0] == "y"
    assert second.command is not None
    assert second.command.vllm_version == "0.18.0"
    assert second.problem is not None
    assert (third.command, third.found.problem) == (None, "runs SGLang")


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
    (tmp_path / "whole").write_bytes(b"serve a/b\n".ljust(1 << 20))
    assert len(servers_of(tmp_path / "whole")) == 1
    (tmp_path / "large").write_bytes(b"serve a/b\n".ljust((1 << 20) + 1))
    said = {
        "large": "is larger than any",
        ".": "is not a file",
        "nowhere": "cannot be read .No such file or directory.",
    }
    for name, problem in said.items():
        with pytest.raises(CheckpointError, match=problem):
            servers_of(tmp_path / name)
