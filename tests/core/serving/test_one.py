"""One server of several, and what was understood of it. Kinds of files have tests of their own: one is enough here."""

from __future__ import annotations

from typing import Any

import pytest

from vram.errors import CheckpointError, InputError
from vram.models.deployment_reader import FoundServer
from vram.models.record import evolve
from vram.serving import check_platform
from vram.serving.command import parse_words
from vram.serving.one import one_server, parse_text, place_of, printable, read_as, servers_in, typed, with_models
from vram.serving.reading import ReadServer


def server(words: str = "a/b", **facts: Any) -> ReadServer:
    found = FoundServer(**{"line": 1, "kind": "compose", **facts})
    return ReadServer(found=found, command=parse_words(["vllm", "serve", *words.split()]) if words else None)


def test_of_several_one_is_named_by_its_name_its_kind_or_its_line() -> None:
    servers = (server(name="Deployment/chat", line=3), server(name="embed", line=9), server(name="embed", line=12))
    assert one_server(servers, "x", "Deployment/chat") is one_server(servers, "x", "chat") is servers[0]
    assert one_server(servers, "x", "9") is one_server(servers, "x", "line 9") is servers[1]
    for wanted in (None, "embed", "none", ""):
        with pytest.raises(
            InputError, match="Deployment/chat in line 3, compose embed in line 9, compose embed in line 12"
        ):
            one_server(servers, "x", wanted)


def test_other_engines_do_not_count_beside_one_of_vllm() -> None:
    other = server("", status="not_vllm", problem="runs SGLang")
    mine = server()
    assert one_server((other, mine), "x") is mine
    with pytest.raises(InputError, match=r"x: compose in line 1 runs SGLang\.$"):
        one_server((other,), "x")


def test_one_that_is_not_understood_is_not_passed_over_in_silence() -> None:
    odd = server("", status="not_understood", problem="its model is ${MODEL}", line=4)
    with pytest.raises(InputError, match="--server"):
        one_server((odd, server()), "x")
    with pytest.raises(InputError, match="no vLLM server"):
        one_server((), "x")


def test_models_are_mapped_with_the_drafts() -> None:
    command = parse_words(
        ["vllm", "serve", "/m/x/", "--speculative-config", '{"model": "/m/d", "num_speculative_tokens": 3}']
    )
    mapped = with_models(command, {"/m/x": "a/b", "/m/d": "c/d"})
    assert mapped.model == "a/b"
    assert mapped.engine_args["speculative_config"] == {"model": "c/d", "num_speculative_tokens": 3}
    assert with_models(command, {"/other": "a/b"}) == command
    without = parse_words(
        ["vllm", "serve", "/m/x", "--speculative-config", '{"method": "ngram", "num_speculative_tokens": 3}']
    )
    assert with_models(without, {"/m/x": "a/b"}) == evolve(without, model="a/b")


def test_what_was_read_is_told_as_a_command_without_what_is_secret_or_decides_nothing() -> None:
    told = read_as(
        server("a/b --enforce-eager --api-key sk-1 --max-model-len 8k --port 80", name="chat", line=7), gpu="H100"
    )
    assert (
        told == "vllm serve a/b --enforce-eager --max-model-len 8000 on H100, vLLM 0.33.0, from compose chat in line 7"
    )


def test_names_command_no_terminal() -> None:
    assert printable("a\nb\x1b[31mc\u202e") == "a b�[31mc�"


def test_of_many_the_first_twelve_are_listed() -> None:
    for count, more in (
        (12, "compose in line 12; name"),
        (13, "compose in line 12 and 1 more; name"),
        (20, "and 8 more; name"),
    ):
        with pytest.raises(InputError, match=more):
            one_server([server(line=line) for line in range(1, count + 1)], "x")


def test_one_that_is_another_engine_is_named_where_it_is_asked_for() -> None:
    other = server("", status="not_vllm", problem="runs SGLang", name="b", line=5)
    with pytest.raises(InputError, match="compose b in line 5 runs SGLang"):
        one_server((server(), other), "x", "b")
    with pytest.raises(InputError, match="compose in line 1 is not understood"):
        one_server((server(""),), "x")


@pytest.mark.parametrize(
    ("facts", "place"),
    [
        ({"line": 0}, ""),
        ({"line": 3}, "compose in line 3"),
        ({"line": 3, "name": "chat"}, "compose chat in line 3"),
        ({"line": 3, "name": "Deployment/chat"}, "Deployment/chat in line 3"),
    ],
)
def test_a_place_is_a_name_and_a_line(facts: dict[str, Any], place: str) -> None:
    assert place_of(server(**facts)) == place


@pytest.mark.parametrize(
    ("words", "facts", "told"),
    [
        ("a/b", {"line": 0}, "vllm serve a/b, vLLM 0.33.0"),
        ("a/b --no-enable-prefix-caching", {"line": 0}, "vllm serve a/b --no-enable-prefix-caching, vLLM 0.33.0"),
        ("https://me:key@host/a", {"line": 0}, "vllm serve https://***@host/a, vLLM 0.33.0"),
        (
            "a/b --kv-cache-dtype-skip-layers 0 1",
            {"line": 0},
            'vllm serve a/b --kv-cache-dtype-skip-layers \'["0", "1"]\', vLLM 0.33.0',
        ),
        ('a/b --hf-overrides {"a":1}', {"line": 0}, "vllm serve a/b --hf-overrides '{\"a\": 1}', vLLM 0.33.0"),
    ],
)
def test_what_was_read_is_told_in_words_that_mean_the_same(words: str, facts: dict[str, Any], told: str) -> None:
    assert read_as(server(words, **facts)) == told


@pytest.mark.parametrize(("gpus", "on"), [(None, " on L4"), (1, " on L4"), (2, " on 2 × L4")])
def test_so_many_gpus_are_told(gpus: int | None, on: str) -> None:
    one = server(line=0)
    assert one.command is not None
    many = evolve(one, command=evolve(one.command, gpu="L4", gpus=gpus, vllm_version="0.11.0"))
    assert read_as(many) == f"vllm serve a/b{on}, vLLM 0.11.0"
    assert read_as(many, gpu="A10", vllm_version="0.12.0") == f"vllm serve a/b{on.replace('L4', 'A10')}, vLLM 0.12.0"


def test_a_text_without_a_name_is_read_as_the_first_kind_that_has_a_server_in_it() -> None:
    assert [one.command.model for one in servers_in("vllm serve a/b\nvllm serve c/d\n") if one.command] == [
        "a/b",
        "c/d",
    ]
    assert [one.found.kind for one in servers_in("services: {x: {image: vllm/vllm-openai, command: --model a/b}}")] == [
        "compose"
    ]
    assert servers_in("hello") == ()
    assert [one.found.status for one in servers_in("vllm serve --max-num-seqs 4")] == ["not_understood"]


def test_a_text_has_up_to_one_mebibyte() -> None:
    whole = "vllm serve a/b\n".ljust(1 << 20, "#")
    assert len(servers_in(whole, "x.sh")) == 1
    for name, shown in (("x.sh", "x.sh"), ("", "the text")):
        with pytest.raises(CheckpointError, match=f"{shown}: is larger than any deployment file"):
            servers_in(whole + "#", name)


def test_of_a_script_the_last_server_counts_with_the_flags_of_a_release() -> None:
    text = "vllm serve a/b\nvllm serve c/d --swap-space 4\npython -m sglang.launch_server --model x/y\n"
    assert parse_text(text).model == "c/d"
    assert parse_text(text, version="0.18.0").refusals
    assert parse_text(text, version="0.17.0").refusals == ()


def test_a_command_that_was_typed_has_no_place() -> None:
    one = typed(["a/b", "--swap-space", "4"], "0.17.0")
    assert one.command is not None
    assert (one.found.line, place_of(one), one.command.refusals) == (0, "", ())


def test_a_file_for_one_platform_is_not_answered_for_a_gpu_of_another() -> None:
    rocm = server(name="Deployment/chat", line=3, platform="rocm")
    named = server(line=3, gpu="MI300X")
    for one in (rocm, named):
        with pytest.raises(InputError, match=r"is a GPU of cuda, and .* in line 3 runs on GPUs of rocm"):
            check_platform(one, "H100")
    for fine in ("MI355X", "auto", "nobody knows it", None):
        check_platform(rocm, fine)
    check_platform(server(), "MI300X")
