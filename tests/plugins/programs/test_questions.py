"""A question in JSON is answered as the library answers it, and refused with a sentence that names its field."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from tests.plugins.programs.questions import ANSWERED, QWEN, REFUSED, UNCLEAR, Asked

from vram.errors import VramError
from vram_plugins.programs.checking import checked_object, checked_value
from vram_plugins.programs.files import Files
from vram_plugins.programs.operations import operation_named, operations
from vram_plugins.programs.problems import problem_of
from vram_plugins.programs.schemas import ANSWERS, definitions

NOTHING = Files()


def answer(name: str, question: Any, files: Files = NOTHING) -> Any:
    operation = operation_named(name)
    return json.loads(json.dumps(operation.answer(operation.asked(operation.checked(question), files))))


@pytest.mark.parametrize("asked", ANSWERED, ids=lambda asked: asked.name)
def test_the_answer_is_the_librarys(asked: Asked) -> None:
    assert answer(asked.operation, asked.question) == json.loads(json.dumps(asked.library()))


def test_twenty_questions_are_asked_and_every_kind_of_them() -> None:
    assert len(ANSWERED) >= 20
    assert {asked.operation for asked in ANSWERED} == set(operations())


@pytest.mark.parametrize("asked", ANSWERED, ids=lambda asked: asked.name)
def test_question_and_answer_are_as_their_schemas_say(asked: Asked) -> None:
    jsonschema.Draft202012Validator(operation_named(asked.operation).schema()).validate(asked.question)
    schema = {**ANSWERS[asked.operation], "$defs": definitions()}
    jsonschema.Draft202012Validator(schema).validate(answer(asked.operation, asked.question))


@pytest.mark.parametrize("asked", REFUSED, ids=lambda asked: asked.name)
def test_what_the_library_refuses_is_refused_in_its_words(asked: Asked) -> None:
    with pytest.raises(VramError) as own:
        asked.library()
    with pytest.raises(VramError) as refused:
        answer(asked.operation, asked.question)
    assert (type(refused.value), str(refused.value)) == (type(own.value), str(own.value))


@pytest.mark.parametrize(("name", "question", "field", "words"), UNCLEAR, ids=lambda one: str(one)[:40])
def test_an_unclear_question_is_a_sentence_that_names_its_field(
    name: str, question: Any, field: str, words: str
) -> None:
    with pytest.raises(VramError) as refused:
        answer(name, question)
    assert words in str(refused.value)
    assert problem_of(refused.value).get("field") == field


def test_null_is_not_given_and_a_whole_number_may_be_written_with_a_point() -> None:
    asked = {"model": QWEN, "gpu": "H100", "profile": None, "tensor_parallel_size": 2.0}
    assert answer("estimate", asked) == answer("estimate", {"model": QWEN, "gpu": "H100", "tensor_parallel_size": 2})


@pytest.mark.parametrize("number", [float("inf"), float("nan")])
def test_a_number_that_is_none_is_refused_wherever_it_stands(number: float) -> None:
    with pytest.raises(VramError, match="must be a finite number"):
        checked_object({"a": {"b": [number]}}, {"a": {"type": "object"}})


def test_values_nested_too_deep_are_refused() -> None:
    deep: Any = 1
    for _ in range(100):
        deep = [deep]
    with pytest.raises(VramError, match="nested deeper than 64 levels"):
        checked_object({"a": deep}, {"a": {}})


def test_a_huge_value_is_not_repeated() -> None:
    with pytest.raises(VramError) as refused:
        checked_value("x" * 10_000, {"type": "integer"}, "gpus")
    assert len(str(refused.value)) < 200


def test_a_commands_secrets_are_in_no_answer() -> None:
    asked = {
        "command": "HF_TOKEN=hf_secret vllm serve Qwen/Qwen3-8B --api-key s3cret --trust-remote-code",
        "gpu": "H100",
    }
    told = json.dumps(answer("estimate", asked))
    assert "s3cret" not in told
    assert "hf_secret" not in told


def test_what_a_command_says_is_kept_unless_a_field_beside_it_says_otherwise() -> None:
    command = "VLLM_USE_V1=0 vllm serve Qwen/Qwen3-8B --tensor-parallel-size 2 --max-model-len 8192"
    found = answer("estimate", {"command": command, "gpu": "L4", "max_model_len": 4096, "vllm_version": "0.9.0"})
    facts = found["deployment"]
    assert (facts["tensor_parallel_size"], facts["max_model_len"], facts["vllm_version"]) == (2, 4096, "0.9.0")


def test_of_several_pasted_servers_one_is_named() -> None:
    text = "vllm serve Qwen/Qwen3-8B\nvllm serve Qwen/Qwen3-32B\n"
    with pytest.raises(VramError, match="name one of them"):
        answer("estimate", {"command": text, "gpu": "H100"})
    assert answer("estimate", {"command": text, "server": "2", "gpu": "H100"})["model"]["id"] == "Qwen/Qwen3-32B"


def test_an_error_about_a_pasted_config_names_no_path_of_this_machine() -> None:
    with pytest.raises(VramError) as refused:
        answer("estimate", {"config": {"architectures": ["LlamaForCausalLM"], "hidden_size": "wide"}, "gpu": "H100"})
    assert str(refused.value) == "config: field 'hidden_size' must be an integer, not 'wide'."


def test_pasted_files_are_found_under_their_names() -> None:
    asked = {"files": [{"name": "deploy/a/serve.sh", "text": "vllm serve /models/x"}], "gpu": ["H100"]}
    (found,) = answer("check", asked)
    assert found["file"] == "deploy/a/serve.sh"
    mapped = answer("check", {**asked, "model_for": {"/models/x": QWEN}})
    assert (mapped[0]["status"], mapped[0]["model"]) == ("starts", QWEN)


def test_a_pasted_file_is_not_told_what_lies_beside_it_here() -> None:
    compose = "services:\n  a:\n    image: vllm/vllm-openai\n    env_file: ../../../../etc/os-release\n    command: --model ${ID}\n"
    (found,) = answer("check", {"files": [{"name": "compose.yaml", "text": compose}], "gpu": ["H100"]})
    assert found["status"] == "not_understood"


def test_a_log_that_says_nothing_is_refused_without_a_path() -> None:
    with pytest.raises(VramError) as refused:
        answer("reconcile", {"log": "hello"})
    assert str(refused.value).startswith("Log as pasted: has none of the lines")
