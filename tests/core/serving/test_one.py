"""One server of several, and what was understood of it. Kinds of files have tests of their own: one is enough here."""

from __future__ import annotations

from typing import Any

import pytest

from vram.errors import InputError
from vram.models.deployment_reader import FoundServer
from vram.serving import ReadServer, check_platform, one_server, parse_words, printable, read_as, with_models


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


def test_what_was_read_is_told_as_a_command_without_what_is_secret_or_decides_nothing() -> None:
    told = read_as(
        server("a/b --enforce-eager --api-key sk-1 --max-model-len 8k --port 80", name="chat", line=7), gpu="H100"
    )
    assert (
        told == "vllm serve a/b --enforce-eager --max-model-len 8000 on H100, vLLM 0.33.0, from compose chat in line 7"
    )


def test_names_command_no_terminal() -> None:
    assert printable("a\nb\x1b[31mc\u202e") == "a b�[31mc�"


def test_a_file_for_one_platform_is_not_answered_for_a_gpu_of_another() -> None:
    rocm = server(name="Deployment/chat", line=3, platform="rocm")
    named = server(line=3, gpu="MI300X")
    for one in (rocm, named):
        with pytest.raises(InputError, match=r"is a GPU of cuda, and .* in line 3 runs on GPUs of rocm"):
            check_platform(one, "H100")
    for fine in ("MI355X", "auto", "nobody knows it", None):
        check_platform(rocm, fine)
    check_platform(server(), "MI300X")
