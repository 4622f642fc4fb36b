"""`vram.estimate(..., ask_vllm=PYTHON)` with an interpreter that answers as vLLM 0.33.0 did for Qwen3-8B on an H100."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.command import vram as command_line
from tests.plugins.ask_vllm.fake import ANSWERS, BUILT, FakePython

import vram
from vram.cli import cli
from vram.errors import InputError, RemoteCodeError
from vram_plugins.ask_vllm.errors import AskError

GIB = 2**30
#: vLLM's plan of 20 GiB for Qwen3-8B
PLANNED = {
    "num_blocks": 9102,
    "groups": [[36, 16]],
    "tokens": 145632,
    "max_concurrency": 3.55546875,
    "max_model_len": 40960,
}
UNKNOWN = {
    "architectures": ["NobodyKnowsForCausalLM"], "model_type": "nobody", "hidden_size": 4096, "num_hidden_layers": 36,
    "vision_config": {"depth": 3},
}  # fmt: skip
QWEN = {
    "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "torch_dtype": "bfloat16", "hidden_size": 4096, "num_hidden_layers": 36,
    "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 12288, "vocab_size": 151936,
    "max_position_embeddings": 40960, "tie_word_embeddings": False,
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Callable[[dict[str, Any]], Path]:
    def write(config: dict[str, Any]) -> Path:
        path = tmp_path / "asked"
        path.mkdir(exist_ok=True)
        (path / "config.json").write_text(json.dumps(config))
        return path

    return write


def ask(model: Path, python: str, **arguments: Any) -> vram.Estimate:
    return vram.estimate(model, **{"gpu": "H100", "kv_cache_memory_bytes": 20 * GIB, "ask_vllm": python, **arguments})


def changed(**changes: Any) -> dict[str, Any]:
    built = copy.deepcopy(BUILT)
    built["ranks"][0].update({k: v for k, v in changes.items() if k in built["ranks"][0]})
    built.update({k: v for k, v in changes.items() if k in built})
    return built


def test_a_model_nobody_knows_has_the_engines_parameters_and_plan(
    folder: Callable[..., Path], fake_python: Callable[..., str]
) -> None:
    found = ask(folder(UNKNOWN), fake_python(planned=PLANNED))
    assert found.ranks[0].parameter_bytes == 16391957056
    assert (found.kv_cache.num_blocks, found.kv_cache.tokens, found.kv_cache.max_concurrency) == (
        9102,
        145632,
        3.55546875,
    )
    assert found.model.architecture == "NobodyKnowsForCausalLM"
    assert found.model.parameters == 8195978384
    assert any("No adapter knows NobodyKnowsForCausalLM" in warning for warning in found.verdict.warnings)
    assert any(note.source == "vLLM 0.33.0" for note in found.provenance)


def test_without_the_engine_that_model_is_refused(folder: Callable[..., Path]) -> None:
    with pytest.raises(vram.VramError):
        vram.estimate(folder(UNKNOWN), gpu="H100")


def test_limits_are_planned_with_the_engines_specs(
    folder: Callable[..., Path], fake_python: Callable[..., str]
) -> None:
    # by hand: (9102 blocks less the null block) × 16 tokens are more than the model's own 40,960
    found = ask(folder(UNKNOWN), fake_python(planned=PLANNED), concurrency=4)
    assert found.limits.max_concurrency_at_context == 3
    assert found.limits.max_context_at_concurrency == 9101 // 4 * 16


def test_what_loading_changes_of_a_known_model_is_predicted(
    folder: Callable[..., Path], fake_python: Callable[..., str]
) -> None:
    alone = vram.estimate(folder(QWEN), gpu="H100", kv_cache_memory_bytes=20 * GIB).ranks[0]
    more = changed(sizes=[*BUILT["ranks"][0]["sizes"], [2**20, 1]])
    told = ask(folder(QWEN), fake_python(built=more, planned=PLANNED)).ranks[0]
    # what this vLLM tells of Qwen3-8B, and a mebibyte that a fork adds
    assert told.parameter_bytes == 16391957056 + 2**20
    assert told.weights_bytes - alone.weights_bytes == 2**20 + 16391957056 - alone.parameter_bytes


def test_the_arguments_it_resolves_are_the_answers(
    folder: Callable[..., Path], fake_python: Callable[..., str]
) -> None:
    built = changed(max_num_seqs=77, max_num_batched_tokens=5555, dtype="float16")
    found = ask(folder(QWEN), fake_python(built=built, planned=PLANNED))
    assert (found.deployment.max_num_seqs, found.deployment.max_num_batched_tokens, found.model.dtype) == (
        77,
        5555,
        "float16",
    )


def test_a_newer_release_is_said_to_be_newer(folder: Callable[..., Path], fake_python: Callable[..., str]) -> None:
    found = ask(folder(QWEN), fake_python(built=changed(vllm="0.99.1+cu140"), planned=PLANNED, version="0.99.1"))
    assert found.deployment.vllm_version == "0.99.1"
    assert any("0.99.1 is newer than" in warning for warning in found.verdict.warnings)


def test_a_plan_by_other_rules_is_printed_and_named(
    folder: Callable[..., Path], fake_python: Callable[..., str]
) -> None:
    found = ask(folder(QWEN), fake_python(planned={**PLANNED, "num_blocks": 9000, "tokens": 144000}))
    assert (found.kv_cache.num_blocks, found.kv_cache.tokens) == (9000, 144000)
    assert any("plans 9,000 blocks (144,000 tokens)" in warning for warning in found.verdict.warnings)


def test_a_refusal_has_the_engines_longest_request(
    folder: Callable[..., Path], fake_python: Callable[..., str]
) -> None:
    # by hand: 1 GiB are 455 blocks of 36 × 64 KiB, one of them the null block: 454 × 16 tokens
    found = ask(folder(QWEN), fake_python(planned={"estimated_max_model_len": 7264}), kv_cache_memory_bytes=GIB)
    assert not found.verdict.starts
    assert found.kv_cache.estimated_max_model_len == 7264


def test_the_same_question_is_asked_once(folder: Callable[..., Path], fake: FakePython) -> None:
    python = fake.write(planned=PLANNED)
    first, again = ask(folder(QWEN), python), ask(folder(QWEN), python)
    assert first == again
    assert fake.calls == 1


@pytest.mark.parametrize(
    ("change", "arguments"),
    [
        ({"num_hidden_layers": 35}, {}),
        ({}, {"gpu": "A100"}),
        ({}, {"kv_cache_dtype": "fp8"}),
        ({}, {"kv_cache_memory_bytes": 21 * GIB}),
    ],
    ids=["config", "GPU", "argument", "memory"],
)
def test_another_question_is_asked_anew(
    change: dict[str, Any], arguments: dict[str, Any], folder: Callable[..., Path], fake: FakePython
) -> None:
    python = fake.write(planned=PLANNED)
    ask(folder(QWEN), python)
    ask(folder({**QWEN, **change}), python, **arguments)
    assert fake.calls == 2


def test_another_version_is_asked_anew(folder: Callable[..., Path], fake: FakePython) -> None:
    ask(folder(QWEN), fake.write(planned=PLANNED))
    ask(folder(QWEN), fake.write(planned=PLANNED, version="0.33.1"))
    assert fake.calls == 2


def test_a_broken_file_of_the_cache_is_not_believed(
    folder: Callable[..., Path], fake: FakePython, tmp_path: Path
) -> None:
    python = fake.write(planned=PLANNED)
    ask(folder(QWEN), python)
    kept = list((tmp_path / "cache" / "vram" / "ask-vllm").glob("*.json"))
    assert len(kept) == 1
    kept[0].write_text('{"built": 3}')
    ask(folder(QWEN), python)
    assert fake.calls == 2


def test_an_error_is_not_kept(folder: Callable[..., Path], fake: FakePython) -> None:
    with pytest.raises(AskError):
        ask(folder(QWEN), fake.write("tell({'error': 'ValueError: no', 'stage': 'config'})"))
    ask(folder(QWEN), fake.write(planned=PLANNED))
    assert fake.calls == 2


def test_code_of_the_repository_is_named_where_it_is_missing(
    folder: Callable[..., Path], fake_python: Callable[..., str]
) -> None:
    model = folder({**QWEN, "auto_map": {"AutoConfig": "configuration.Config"}})
    python = fake_python("tell({'error': 'ValueError: unknown model type', 'stage': 'config'})")
    with pytest.raises(RemoteCodeError, match="--trust-remote-code"):
        ask(model, python)


def test_the_child_sees_code_only_where_it_is_trusted(
    folder: Callable[..., Path], fake_python: Callable[..., str]
) -> None:
    model = folder({**QWEN, "auto_map": {"AutoConfig": "configuration.Config"}})
    (model / "configuration.py").write_text("raise SystemExit")
    (model / "preprocessor_config.json").write_text("{}")
    told = "tell({'error': ' '.join(sorted(os.listdir(request['model']))) + str('auto_map' in open('config.json').read()), 'stage': 'x'})"
    with pytest.raises(AskError, match=r"config.json preprocessor_config.jsonFalse"):
        ask(model, fake_python(told))
    with pytest.raises(AskError, match=r"config.json configuration.py preprocessor_config.jsonTrue"):
        ask(model, fake_python(told), trust_remote_code=True)


@pytest.mark.parametrize(
    "arguments", [{"speculative_config": {"method": "ngram"}}, {"enable_lora": True}], ids=["draft", "LoRA"]
)
def test_what_vllm_builds_beside_the_model_is_refused(
    arguments: dict[str, Any], folder: Callable[..., Path], fake_python: Callable[..., str]
) -> None:
    with pytest.raises(InputError, match="cannot be asked of vLLM"):
        ask(folder(QWEN), fake_python(), **arguments)


def test_a_version_beside_the_engine_is_refused(folder: Callable[..., Path], fake_python: Callable[..., str]) -> None:
    with pytest.raises(InputError, match="vllm_version"):
        ask(folder(QWEN), fake_python(), vllm_version="0.20.0")


def test_nonsense_for_an_answer_is_told(folder: Callable[..., Path], fake_python: Callable[..., str]) -> None:
    with pytest.raises(AskError, match="cannot be read"):
        ask(folder(QWEN), fake_python(built={"vllm": "0.33.0"}))


def run(*arguments: object) -> Any:
    return CliRunner().invoke(cli, ["estimate", *map(str, arguments)])


def test_the_command_says_who_was_asked(folder: Callable[..., Path], fake_python: Callable[..., str]) -> None:
    done = run(
        folder(QWEN), "--gpu", "H100", "--kv-cache-memory-bytes", 20 * GIB, "--ask-vllm", fake_python(planned=PLANNED)
    )
    assert "Parameters and KV cache are vLLM 0.33.0's own, asked of" in done.output
    assert "145,632 tokens" in done.output


def test_a_cross_check_of_equals_agrees(folder: Callable[..., Path], fake_python: Callable[..., str]) -> None:
    alone = vram.estimate(folder(QWEN), gpu="H100", kv_cache_memory_bytes=20 * GIB)
    sizes = [[alone.ranks[0].parameter_bytes, 1]]
    python = fake_python(built=changed(sizes=sizes), planned=PLANNED)
    done = run(
        folder(QWEN), "--gpu", "H100", "--kv-cache-memory-bytes", 20 * GIB, "--ask-vllm", python, "--cross-check"
    )
    assert "Both agree." in done.output
    assert done.exit_code == 0


def test_a_difference_is_exit_code_1_and_named(folder: Callable[..., Path], fake_python: Callable[..., str]) -> None:
    python = fake_python(built=changed(sizes=[[17 * 10**9, 1]]), planned=PLANNED)
    done = run(
        folder(QWEN),
        "--gpu",
        "H100",
        "--kv-cache-memory-bytes",
        20 * GIB,
        "--ask-vllm",
        python,
        "--cross-check",
        "--json",
    )
    told = json.loads(done.output)
    assert done.exit_code == 1
    assert [row["name"] for row in told["rows"] if row["agrees"] is False] == ["parameter bytes, rank 0"]


@pytest.mark.parametrize("other", [("--html", "x.html"), ("--markdown",), ("--plot",), ("--explain",)])
def test_a_cross_check_writes_nothing_else(other: tuple[str, ...], folder: Callable[..., Path]) -> None:
    done = run(folder(QWEN), "--gpu", "H100", "--cross-check", *other)
    assert done.exit_code == 2
    assert "--cross-check prints both answers alone" in done.output


def test_a_model_behind_the_flag_is_told_where_it_belongs() -> None:
    done = command_line("estimate", "--gpu", "H100", "--ask-vllm", "Qwen/Qwen3-8B")
    assert done.returncode == 2
    assert "before --ask-vllm" in done.stderr


def test_a_model_refused_here_agrees_with_nobody(folder: Callable[..., Path], fake_python: Callable[..., str]) -> None:
    done = run(folder(UNKNOWN), "--gpu", "H100", "--ask-vllm", fake_python(ANSWERS, planned=PLANNED), "--cross-check")
    assert done.exit_code == 1
    assert "vram alone gives no answer" in done.output
