"""`vram check` as a newcomer and as CI run it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result
from tests.command import refusal_of, vram

from vram.cli import cli

Repository = Callable[..., Path]
GOOD = {"name": "good", "words": "Qwen/Qwen3-8B --max-model-len 8192", "gpu": "H100"}
BAD = {"name": "bad", "words": "Qwen/Qwen3-32B", "gpu": "L4"}
ODD = {"name": "odd", "status": "not_understood", "problem": "its model is ${MODEL}"}


def check(*words: str, **environment: str) -> Result:
    return CliRunner().invoke(cli, ["check", *words], env=environment)


@pytest.mark.parametrize(
    ("servers", "words", "code"),
    [
        ((GOOD,), (), 0),
        ((GOOD, BAD), (), 1),
        ((GOOD, ODD), (), 2),
        ((GOOD, ODD), ("--allow-unknown",), 0),
        ((BAD, ODD), (), 1),
        ((GOOD,), ("--concurrency", "10000"), 1),
        ((GOOD,), ("--headroom-gib", "79"), 1),
    ],
    ids=str,
)
def test_the_exit_code_guards_a_repository(
    repository: Repository, servers: tuple[dict[str, object], ...], words: tuple[str, ...], code: int
) -> None:
    repository("x.serve", *servers)
    done = check(".", *words)
    assert done.exit_code == code, done.output


@pytest.mark.parametrize("form", ["text", "json", "github", "sarif", "junit"])
def test_a_form_goes_to_a_file_and_text_to_the_terminal(repository: Repository, form: str) -> None:
    repository("x.serve", GOOD, BAD)
    straight = check(".", "--format", form)
    done = check(".", "--format", form, "-o", "out")
    assert done.exit_code == straight.exit_code == 1
    assert Path("out").read_text() == straight.stdout
    assert ("2 servers in 1 of " in done.stdout) is (form != "text")


def test_json_has_a_word_of_its_own(repository: Repository) -> None:
    repository("x.serve", GOOD)
    assert json.loads(check(".", "--json").stdout)[0]["status"] == "starts"
    assert ElementTree.fromstring(check(".", "--format", "junit").stdout).get("tests") == "1"


def test_colours_are_for_terminals(repository: Repository) -> None:
    repository("x.serve", BAD)
    assert "\x1b" not in check(".").stdout
    runner = CliRunner().invoke(cli, ["check", "."], color=True)
    assert "\x1b[31m" in runner.stdout
    assert "\x1b" not in CliRunner().invoke(cli, ["check", "."], color=True, env={"NO_COLOR": "1"}).stdout


def test_what_was_passed_over_is_told_beside_the_answer(repository: Repository) -> None:
    repository("x.serve", GOOD)
    with Path("data.yaml").open("wb") as file:
        file.truncate(2 << 20)
    done = check(".", "--json")
    json.loads(done.stdout)
    assert done.stderr == "Note: 1 file larger than 1 MiB was not read.\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "PATH"),
        (("none.yaml",), "none.yaml"),
        ((".", "--gpu", "H10000000"), "H10000000"),
        ((".", "--vllm-version", "next"), "next"),
        ((".", "--model-for", "/models/x"), "SERVED=MODEL"),
        ((".", "--format", "xml"), "xml"),
        ((".", "--profile", "none", "--gpu", "H100"), "none"),
    ],
    ids=str,
)
def test_bad_input_is_one_sentence(words: tuple[str, ...], told: str) -> None:
    assert told in refusal_of("check", *words)


def test_a_folder_without_servers_passes(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing is served here\n")
    done = vram("check", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "No vLLM server in 1 file.\n", "")
