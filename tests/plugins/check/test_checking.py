"""Every server of a repository, answered. What starts and what does not is vLLM's arithmetic, tested elsewhere: here extremes suffice."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import vram
from vram.errors import InputError, VramError
from vram.models.estimate import Change
from vram.models.record import evolve
from vram_plugins.check.asking import Asker
from vram_plugins.check.checking import check
from vram_plugins.check.judging import change_of
from vram_plugins.check.records import Finding

Repository = Callable[..., Path]
GOOD = {"name": "good", "words": "Qwen/Qwen3-8B --max-model-len 8192", "gpu": "H100"}
BAD = {"name": "bad", "words": "Qwen/Qwen3-32B", "gpu": "L4"}  # 61 GiB of weights, 22 GiB of memory
OTHER = {"name": "other", "status": "not_vllm", "problem": "runs SGLang"}
ODD = {"name": "odd", "status": "not_understood", "problem": "its model is ${MODEL}"}


def only(*paths: object, **asked: object) -> Finding:
    (finding,) = check(paths, **asked).findings  # type: ignore[arg-type]
    return finding


def test_each_server_of_each_file_is_a_finding_at_its_line(repository: Repository) -> None:
    repository("a/one.serve", GOOD, BAD)
    repository("b.serve", OTHER, {}, ODD)
    found = check(["."])
    assert [(one.file, one.line, one.server, one.status) for one in found.findings] == [
        ("b.serve", 1, "other", "not_vllm"),
        ("b.serve", 2, "", "not_understood"),
        ("b.serve", 3, "odd", "not_understood"),
        ("a/one.serve", 1, "good", "starts"),
        ("a/one.serve", 2, "bad", "does_not_start"),
    ]
    assert found.files == 2


@pytest.mark.parametrize(
    ("servers", "strict", "lenient"),
    [
        ((), 0, 0),
        ((GOOD, OTHER), 0, 0),
        ((GOOD, BAD), 1, 1),
        ((GOOD, ODD), 2, 0),
        ((BAD, ODD), 1, 1),  # a definite failure is told before a doubt
    ],
    ids=("none", "good", "bad", "unknown", "both"),
)
def test_the_exit_code_is_that_of_the_worst(
    repository: Repository, servers: tuple[dict[str, object], ...], strict: int, lenient: int
) -> None:
    repository("x.serve", *servers)
    found = check(["."])
    assert (found.exit_code(), found.exit_code(allow_unknown=True)) == (strict, lenient)


def test_what_fails_says_why_and_what_to_change_and_that_change_starts(repository: Repository) -> None:
    repository("x.serve", {**GOOD, "words": "Qwen/Qwen3-8B --max-model-len 32768", "gpu": "L4"})
    finding = only(".")
    assert finding.status == "does_not_start"
    assert finding.problem
    assert finding.change
    assert finding.change.startswith("--")
    repository("x.serve", {**GOOD, "words": f"Qwen/Qwen3-8B --max-model-len 32768 {finding.change}", "gpu": "L4"})
    assert only(".").estimate.verdict.starts  # type: ignore[union-attr]


def test_a_start_that_is_too_close_to_be_sure_does_not_pass_unless_accepted(repository: Repository) -> None:
    def borderline(length: int) -> bool:
        answer = vram.estimate("Qwen/Qwen3-8B", gpu="RTX 4090", max_model_len=length, policy=policy)
        return answer.verdict.certainty == "borderline" and answer.verdict.starts

    from vram.models.deployment import Policy

    policy = Policy(headroom_gib=0.0)
    length = next(length for length in range(24_000, 40_960, 256) if borderline(length))
    repository("x.serve", {**GOOD, "words": f"Qwen/Qwen3-8B --max-model-len {length}", "gpu": "RTX 4090"})
    strict, lenient = only(".", headroom_gib=0.0), only(".", headroom_gib=0.0, accept_borderline=True)
    assert (strict.status, strict.fails) == ("starts", True)
    assert "Too close to be sure" in str(strict.problem)
    assert (lenient.passes, lenient.problem) == (True, None)


def test_a_workload_that_does_not_fit_fails_though_it_starts(repository: Repository) -> None:
    repository("x.serve", GOOD)
    finding = only(".", concurrency=10_000)
    assert (finding.status, finding.fails) == ("starts", True)
    assert str(finding.problem).startswith("10,000 × 8,192 tokens need ")
    roomy = only(".", headroom_gib=60)
    assert str(roomy.problem).startswith("1 × 8,192 tokens leave ")
    assert str(roomy.problem).endswith(" GiB free, less than the 60 GiB of headroom to keep")


def test_without_a_gpu_anywhere_nothing_is_guessed(repository: Repository) -> None:
    repository("x.serve", {**GOOD, "gpu": None})
    finding = only(".")
    assert (finding.status, finding.problem) == ("not_understood", "no GPU is stated here; say which one with --gpu")


def test_a_gpu_that_was_asked_about_stands_in_where_a_file_names_none(repository: Repository) -> None:
    repository("x.serve", {**GOOD, "gpu": None}, {**GOOD, "name": "stated"})
    found = check(["."], gpu=["L4", "2 x L40S"]).findings
    assert [(one.server, one.gpu, one.gpus) for one in found] == [
        ("good", "L4", None),
        ("good", "L40S", 2),
        ("stated", "H100 80GB SXM", None),
    ]


def test_the_memory_of_a_gpu_alone_suffices(repository: Repository) -> None:
    repository("x.serve", {**GOOD, "gpu": None})
    assert only(".", gpu_memory_gib=80).status == "starts"


def test_the_version_of_a_file_wins_over_the_one_asked_for(repository: Repository) -> None:
    repository("x.serve", {**GOOD, "image": "vllm/vllm-openai:v0.20.2"}, {**GOOD, "name": "plain"})
    versions = [
        one.estimate.deployment.vllm_version for one in check(["."], vllm_version="0.15.0").findings if one.estimate
    ]
    assert versions == ["0.20.2", "0.15.0"]


def test_more_gpus_than_are_used_stay_idle_and_are_told(repository: Repository) -> None:
    """vLLM's tensor_parallel_size is 1 where nobody says otherwise, however many GPUs a container has."""
    repository("x.serve", {**GOOD, "gpus": 4})
    finding = only(".")
    assert finding.estimate is not None
    assert finding.estimate.deployment.tensor_parallel_size == 1
    assert "4 GPUs are given and 1 used" in finding.assumed[0]


def test_fewer_gpus_than_the_parallel_sizes_ask_for_is_no_start(repository: Repository) -> None:
    repository("x.serve", {**GOOD, "words": "Qwen/Qwen3-8B -tp 4 -pp 2", "gpus": 4, "nodes": 1})
    assert only(".").problem == "the parallel sizes ask for 8 GPUs where 4 are given"
    repository("x.serve", {**GOOD, "words": "Qwen/Qwen3-8B -tp 4 -pp 2", "gpus": 4, "nodes": 2})
    assert only(".").status == "starts"


def test_gpus_that_are_missing_are_the_change_where_the_rest_holds(repository: Repository) -> None:
    repository("x.serve", {**GOOD, "words": "Qwen/Qwen3-8B -tp 2 --max-model-len 8192", "gpus": 1})
    assert only(".").change == "on 2 GPUs"
    repository("x.serve", {**GOOD, "words": "Qwen/Qwen3-32B -tp 2", "gpu": "L4", "gpus": 1})  # 30 GiB on each
    assert only(".").change is None


def test_a_word_that_stops_vllm_is_the_change_where_the_rest_holds(repository: Repository) -> None:
    repository("x.serve", {**GOOD, "words": "Qwen/Qwen3-8B --swap-space 16 --max-model-len 8192"})
    finding = only(".")
    assert (finding.status, finding.change) == ("does_not_start", "without --swap-space")
    assert str(finding.problem).startswith("unrecognized arguments: --swap-space")
    repository("x.serve", {**GOOD, "words": "Qwen/Qwen3-8B --swap-space 16", "gpu": None})
    assert only(".").status == "does_not_start"  # on any GPU


def test_a_change_that_takes_more_gpus_says_so_and_holds_on_them(repository: Repository) -> None:
    """61 GiB of weights on GPUs of 44: settings alone do nothing."""
    bad = {**GOOD, "words": "Qwen/Qwen3-32B --max-model-len 8192", "gpu": "L40S", "gpus": 1}
    repository("x.serve", bad)
    finding = only(".")
    assert finding.estimate is not None
    (change,) = (c for c in finding.estimate.verdict.changes if set(c.arguments) == {"tensor_parallel_size"})
    told = change_of(evolve(finding.estimate, verdict=evolve(finding.estimate.verdict, changes=(change,))), 1)
    assert told == "--tensor-parallel-size 2, on 2 GPUs"
    repository("x.serve", {**bad, "words": f"{bad['words']} --tensor-parallel-size 2", "gpus": 2})
    assert only(".").passes


def test_gpus_that_idle_are_taken_before_anything_is_given_up(repository: Repository) -> None:
    repository("x.serve", {**GOOD, "words": "Qwen/Qwen3-32B --max-model-len 8192", "gpu": "L40S", "gpus": 2})
    assert only(".").change == "--tensor-parallel-size 2"
    repository("x.serve", {**GOOD, "words": "Qwen/Qwen3-8B --max-model-len 32768", "gpu": "L4", "gpus": 1})
    assert "parallel" not in str(only(".").change)  # none idles


def test_a_change_names_hardware_work_and_release_as_what_they_are(repository: Repository) -> None:
    """They are no flags of vLLM's, which a file could have."""
    repository("x.serve", GOOD)
    estimate = only(".").estimate
    assert estimate is not None

    def told(arguments: dict[str, object], words: str) -> str | None:
        change = Change(arguments=arguments, words=words, gives_up="", limits=estimate.limits)
        return change_of(evolve(estimate, verdict=evolve(estimate.verdict, changes=(change,))), None)

    assert told({"gpu": "H100 NVL"}, "--gpu 'H100 NVL'") == "on H100 NVL"
    assert told({"gpu": "B300", "tensor_parallel_size": 4}, "--gpu B300 --tensor-parallel-size 4") == (
        "--tensor-parallel-size 4, on 4 × B300"
    )
    assert told({"model": "x/y-AWQ"}, "--model x/y-AWQ") == "with x/y-AWQ as the model"
    assert told({"vllm_version": "0.19.1"}, "--vllm-version 0.19.1") == "with vLLM 0.19.1"
    assert told({"concurrency": 1, "max_model_len": 512}, "--concurrency 1 --max-model-len 512") == (
        "--max-model-len 512, for 1 request at once"
    )


def test_a_start_that_is_too_close_has_a_change_that_makes_it_sure(repository: Repository) -> None:
    repository("x.serve", {**GOOD, "words": "Qwen/Qwen3-8B --max-model-len 24576", "gpu": "RTX 4090"})
    for length in range(24_000, 40_960, 1024):
        words = f"Qwen/Qwen3-8B --max-model-len {length}"
        repository("x.serve", {**GOOD, "words": words, "gpu": "RTX 4090"})
        finding = only(".", headroom_gib=0.0)
        if "Too close" in str(finding.problem):
            break
    assert "Too close" in str(finding.problem)
    repository("x.serve", {**GOOD, "words": f"{words} {finding.change}", "gpu": "RTX 4090"})
    assert only(".", headroom_gib=0.0).passes


def test_sizes_that_do_not_divide_are_no_start(repository: Repository) -> None:
    repository("x.serve", {**GOOD, "words": "Qwen/Qwen3-8B -tp 7"})  # 32 heads
    finding = only(".")
    assert finding.status == "does_not_start"
    assert "cannot be divided" in str(finding.problem)


def test_a_served_path_is_nothing_here_until_it_is_mapped(repository: Repository) -> None:
    repository("x.serve", {**GOOD, "words": "/models/x/ --max-model-len 8192"})
    finding = only(".")
    assert finding.status == "not_understood"
    assert "--model-for" in str(finding.problem)
    repository("y.serve", {**GOOD, "words": "/models/x/", "gpu": None})
    assert str(only("y.serve").problem).endswith("; no GPU is stated either")
    mapped = only("x.serve", model_for=["/models/x=Qwen/Qwen3-8B"])
    assert (mapped.status, mapped.model) == ("starts", "Qwen/Qwen3-8B")


@pytest.mark.parametrize(
    "asked",
    [{"gpu": ["H1000000"]}, {"gpu": ["0 x H100"]}, {"vllm_version": "x"}, {"model_for": ["x"]}, {"gpu": [""]}],
    ids=str,
)
def test_what_is_asked_wrongly_is_refused_before_anything_is_read(
    repository: Repository, asked: dict[str, object]
) -> None:
    repository("x.serve", GOOD)
    with pytest.raises(VramError):
        check(["."], **asked)  # type: ignore[arg-type]


def test_a_path_that_is_not_there_is_refused(repository: Repository) -> None:
    with pytest.raises(InputError, match="none"):
        check(["none"])


def test_one_question_is_answered_once(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    from vram_plugins.check import asking

    asked = []
    real = asking.answer
    monkeypatch.setattr(asking, "answer", lambda question: asked.append(question) or real(question))
    repository("x.serve", *(GOOD,) * 20)
    repository("y.serve", *(GOOD,) * 20, {**GOOD, "gpu": "L40S"})
    assert len(check(["."]).findings) == 41
    assert len(asked) == 2


def test_a_model_that_is_not_to_be_had_is_looked_for_once(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vram_plugins.check import asking

    opened = []
    real = asking.as_checkpoint
    monkeypatch.setattr(asking, "as_checkpoint", lambda model, **more: opened.append(model) or real(model, **more))
    repository("x.serve", *({**GOOD, "words": f"nobody/none --max-num-seqs {n}"} for n in range(1, 9)))
    assert {one.status for one in check(["."]).findings} == {"not_understood"}
    assert opened == ["nobody/none"]


def test_code_of_a_model_is_not_run_because_a_file_says_so(repository: Repository) -> None:
    from vram.serving import parse_words

    command = parse_words(["vllm", "serve", "x/y", "--trust-remote-code"])
    assert command.trust_remote_code
    for trusted in (False, True):
        asker = Asker(vram_asked(trust_remote_code=trusted))
        assert asker._arguments(command)["trust_remote_code"] is trusted


def vram_asked(**asked: object) -> object:
    from vram_plugins.check.asking import asked_from

    return asked_from(**asked)  # type: ignore[arg-type]


def test_offline_is_for_this_check_alone(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    seen = []
    repository("x.serve", GOOD)
    check(["."], offline=True, progress=lambda done, total: seen.append(os.environ.get("HF_HUB_OFFLINE")))
    assert (seen, os.environ.get("HF_HUB_OFFLINE")) == (["1"], None)


def test_a_broken_file_is_told_where_it_may_hold_a_server_and_passed_over_where_not(repository: Repository) -> None:
    repository("deploy.serve").write_text("{vllm serve\n")
    repository("theme.serve").write_text("{nothing\n")
    finding = only(".")
    assert (finding.file, finding.kind, finding.problem) == ("deploy.serve", "file", "is not valid in line 1")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_one_sentence(repository: Repository) -> None:
    repository("x.serve", GOOD).chmod(0)
    assert only(".").problem == "cannot be read (Permission denied)"


def test_no_secret_of_a_file_is_in_a_finding(repository: Repository) -> None:
    token, key = "hf_abcdefghijklmnop", "my-own-key"
    repository(
        "x.serve",
        {**GOOD, "words": f"Qwen/Qwen3-8B --api-key {key}", "environment": {"HF_TOKEN": token}},
        {**GOOD, "words": f"--api-key {key} {token} --max-model-len {key}", "environment": {"HF_TOKEN": token}},
        {"status": "not_understood", "problem": f"{token} is odd", "environment": {"HF_TOKEN": token}},
    )
    told = str([one.to_dict() for one in check(["."]).findings])
    assert token not in told
    assert key not in told


def test_a_finding_of_the_library_is_what_the_command_writes(repository: Repository) -> None:
    repository("x.serve", GOOD)
    told = vram.check(["."]).findings[0].to_dict()  # type: ignore[attr-defined]
    assert list(told)[:11] == [
        "file", "line", "server", "kind", "model", "gpu", "status", "problem", "left_out", "assumed", "estimate",
    ]  # fmt: skip
    assert (
        told["read_as"]
        == "vllm serve Qwen/Qwen3-8B --max-model-len 8192 on H100, vLLM 0.33.0, from lines good in line 1"
    )


def test_a_file_that_runs_vllm_and_that_no_reader_knows_is_named(repository: Repository) -> None:
    repository("x.serve", GOOD)
    for name, text in {
        "Taskfile.yml": "tasks: {serve: {cmds: [vllm serve Qwen/Qwen3-8B]}}\n",
        "package.json": '{"scripts": {"llm": "vllm serve --model Qwen/Qwen3-8B"}}\n',
        "fly.toml": 'image = "vllm/vllm-openai:v0.20.2"\n',
        "rules.yaml": "description: vllm serve is down\n",
        "notes.txt": "we run vllm serve Qwen/Qwen3-8B here\n",
        "client.py": '"""Asks what `vllm serve Qwen/Qwen3-8B` serves."""\n',
    }.items():
        Path(name).write_text(text)
    assert check(["."]).notes == (
        "3 files name vLLM's command or image, and no server was read in them: Taskfile.yml, fly.toml, package.json",
    )
    assert check(["fly.toml"]).notes == (
        "1 file names vLLM's command or image, and no server was read in it: fly.toml",
    )


def test_a_reader_that_fails_is_named_with_the_files_that_were_read_without_it(repository: Repository) -> None:
    repository("x.serve", GOOD)
    for name in ("a.serve", "b.serve"):  # no field of a server's is called so, and the reader does not look
        Path(name).write_text('{"hf_aAbBcCdDeEfFgG": 1}\n')
    found = check(["."])
    assert [one.file for one in found.findings] == ["x.serve"]
    (note,) = found.notes
    plugin, _, fault = note.partition(", vram_deployment_readers: ")
    assert plugin.startswith("Plugin lines (")
    assert "raises TypeError: " in fault
    assert fault.endswith("; read without it: a.serve, b.serve")
    assert "hf_aAbB" not in note
