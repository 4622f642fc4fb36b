"""The file behind `--config`; expected words are those of vLLM 0.33.0 (`_pull_args_from_config`, `load_config_file`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from vram.errors import InputError
from vram.serving.config_file import text_at, with_config


def words(command: str, text: str) -> list[str]:
    found, missing = with_config(command.split(), {"c.yaml": text}.get)
    assert missing == ()
    return found


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("max-model-len: 4k", ["--max-model-len=4k"]),
        ("seed: 5\nport: '8000'", ["--seed=5", "--port=8000"]),
        ("enforce-eager: true", ["--enforce-eager"]),
        ("enable-prefix-caching: false", ["--no-enable-prefix-caching"]),
        ("enable_prefix_caching: false", ["--no-enable_prefix_caching"]),
        ("frobnicate: false", []),  # no flag has that name, so it has no --no-
        ("max-model-len: false", []),
        ("cudagraph-capture-sizes: [1, 2]", ["--cudagraph-capture-sizes", "1", "2"]),
        ("cudagraph-capture-sizes: []", []),
        ("hf-overrides: {a: {b: true}}", ['--hf-overrides={"a": {"b": true}}']),
        ("quantization: ", ["--quantization=None"]),
    ],
)
def test_each_key_is_a_flag_with_its_value(text: str, flags: list[str]) -> None:
    assert words("m --config c.yaml", text) == ["m", *flags, "--config", "c.yaml"]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("m --config c.yaml --seed 2", ["m", "--seed=1", "--config", "c.yaml", "--seed", "2"]),
        ("m --seed 2 --config c.yaml", ["m", "--seed=1", "--seed", "2", "--config", "c.yaml"]),
        ("--config c.yaml m", ["--model=x", "--seed=1", "--config", "c.yaml", "m"]),
        ("--seed 2 --config=c.yaml", ["--model=x", "--seed=1", "--seed", "2", "--config=c.yaml"]),
    ],
)
def test_they_stand_behind_the_commands_model_or_first_of_all(command: str, expected: list[str]) -> None:
    """The command's own flags follow, and win; its model stands over the file's."""
    assert words(command, "model: x\nseed: 1\n") == expected


@pytest.mark.parametrize("key", ["model", "model_tag", "model-tag"])
def test_a_model_of_the_file_counts_where_the_command_names_none(key: str) -> None:
    assert words("m --config c.yaml", f"{key}: x") == ["m", "--config", "c.yaml"]
    assert words("--config c.yaml", f"{key}: x") == [f"--{key}=x", "--config", "c.yaml"]


@pytest.mark.parametrize("command", ["m", "m --config", "m --config=", "m --configs c.yaml"])
def test_without_a_name_nothing_is_asked_for(command: str) -> None:
    def asked(name: str) -> str:
        raise AssertionError(name)

    assert with_config(command.split(), asked) == (command.split(), ())


def test_a_file_that_is_not_at_hand_is_named() -> None:
    found, missing = with_config(["m", "--config", "c.yaml"], lambda _: None)
    assert found == ["m", "--config", "c.yaml"]
    assert missing == ("--config c.yaml is not at hand: what it sets is left out.",)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: [1", "is not valid YAML"),
        ("[" * 2**15, "is nested more than 64 levels deep"),
        ("a: &x [1]\nb: *x", "uses YAML aliases"),
        ("- a", "is no list of flags and values"),
        ("", "is no list of flags and values"),
    ],
)
def test_a_broken_file_is_one_sentence(text: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        words("m --config c.yaml", text)


def test_a_file_of_this_machine_is_read_up_to_32_kib(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_bytes(b"a: \xff".ljust(2**15))
    assert text_at(str(file)) == "a: \ufffd".ljust(2**15)
    file.write_bytes(b"a: 1".ljust(2**15 + 1))
    assert text_at(str(file)) is None
    assert text_at(str(tmp_path / "none")) is None
    assert text_at(str(tmp_path)) is None
