"""Words as vLLM 0.33.0's own parser reads them (`tests/data/vllm_serve_forms.json`, asked), and forms of other releases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vram.errors import InputError
from vram.models.deployment import ENGINE_DEFAULTS
from vram.serving.command import ServeCommand, parse_words

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parents[2] / "data/vllm_serve_forms.json").read_text())
#: what vLLM reads into arguments of their own, and this program as the one they set
ELSEWHERE = {
    "spec_method": ("speculative_config", "method"),
    "spec_tokens": ("speculative_config", "num_speculative_tokens"),
    "cudagraph_capture_sizes": ("compilation_config", "cudagraph_capture_sizes"),
    "attention_config": ("attention_backend", None),
}


def read(words: str, **settings: Any) -> ServeCommand:
    return parse_words(["m", *words.split()], **settings)


@pytest.mark.parametrize("case", [c for c in CASES if "read" in c], ids=lambda case: " ".join(case["words"][1:]))
def test_words_mean_what_vllms_parser_reads(case: dict[str, Any]) -> None:
    command = parse_words(case["words"])

    assert command.refusals == ()
    for name, value in case["read"].items():
        if name in ELSEWHERE:
            owner, key = ELSEWHERE[name]
            found = command.engine_args[owner]
            assert (found[key] if key else {"backend": found}) == value
        elif name in ("model", "revision", "trust_remote_code"):
            assert getattr(command, name) == value
        elif name in ENGINE_DEFAULTS:
            found = command.engine_args.get(name, ENGINE_DEFAULTS[name])
            assert found == (int(value) if name == "optimization_level" else value)
        else:
            assert "--" + name.replace("_", "-") in command.extra


@pytest.mark.parametrize("case", [c for c in CASES if "stops" in c], ids=lambda case: " ".join(case["words"][1:]))
def test_where_vllms_parser_stops_the_command_is_refused(case: dict[str, Any]) -> None:
    said = case["stops"]
    try:
        refusals = parse_words(case["words"]).refusals
    except InputError:
        assert "invalid" in said or "Decimals" in said or "cannot be converted" in said  # a value of the wrong type
        return
    if "invalid choice" in said:
        return  # the engine's argument refuses it, as the next test shows
    assert refusals
    if said.startswith("argument"):  # vLLM names a flag by all of its spellings
        assert refusals[0].partition(": ")[2] == said.partition(": ")[2]
    elif said.startswith("unrecognized arguments: -"):
        assert refusals[0].split()[:3] == said.split()[:3]
    if said.startswith("ambiguous"):
        assert set(refusals[0].split("match ")[1].split(", ")) == set(said.split("match ")[1].split(", "))


def test_a_value_that_is_no_choice_is_refused() -> None:
    from vram.models.deployment import EngineArgs

    with pytest.raises(InputError, match="must be 1, 8, 16"):
        EngineArgs.from_mapping(read("--max-lora-rank 24").engine_args)


@pytest.mark.parametrize(
    ("words", "version", "said"),
    [
        ("--swap-space 4", "0.33.0", "--swap-space (it left vLLM with 0.18.0; --kv-offloading-size took its place)"),
        ("--task embed", "0.33.0", "--task (it left vLLM with 0.13.0; --runner took its place)"),
        ("--spec-method mtp", "0.19.1", "--spec-method (it came with vLLM 0.22.0; this is 0.19.1)"),
        ("--max-model-length 8", "0.33.0", "--max-model-length (did you mean --max-model-len?)"),
        ("--frobnicate", "0.33.0", "--frobnicate (no flag of vLLM 0.33.0)"),
    ],
)
def test_a_refusal_says_when_a_flag_came_or_left_and_what_may_be_meant(words: str, version: str, said: str) -> None:
    assert read(words, version=version).refusals == (f"unrecognized arguments: {said}",)


def test_an_older_release_takes_what_it_had() -> None:
    old = read("--swap-space 4 --task embed --num-speculative-tokens 3 --speculative-model d", version="0.8.1")

    assert old.refusals == ()
    assert old.engine_args == {
        "swap_space": 4.0,
        "runner": "embed",
        "speculative_config": {"num_speculative_tokens": 3, "model": "d"},
    }


@pytest.mark.parametrize(
    ("words", "version", "found"),
    [
        ("-O3", "0.33.0", {"optimization_level": 3}),
        ("-O 0", "0.12.0", {"optimization_level": 0}),
        ("-O0", "0.11.2", {"compilation_config": {"mode": 0}}),
        ("-O=0", "0.10.2", {"compilation_config": {"level": 0}}),
        ("-O0", "0.11.1", {"compilation_config": {"mode": 0}}),
        ("-O0", "0.11.0", {"compilation_config": {"level": 0}}),
        ("-O1", "0.12.0", {"optimization_level": 1}),
        ("-O.mode=3", "0.12.0", {"compilation_config": {"mode": 3}}),
        ("-O.cudagraph_mode=NONE", "0.11.2", {"compilation_config": {"cudagraph_mode": "NONE"}}),
        ("-cc.mode=0", "0.33.0", {"compilation_config": {"mode": 0}}),
        ('-O{"level":0}', "0.10.0", {"compilation_config": {"level": 0}}),
        ("--cuda-graph-sizes 64", "0.10.2", {"compilation_config": {"cuda_graph_sizes": [64]}}),
        ("--enable-multimodal-encoder-data-parallel", "0.11.0", {"mm_encoder_tp_mode": "data"}),
        ("--num-redundant-experts 4", "0.10.0", {"eplb_config": {"num_redundant_experts": 4}}),
        ("--rope-theta 10000", "0.10.0", {"hf_overrides": {"rope_theta": 10000}}),
    ],
)
def test_what_is_short_for_another_argument_is_that_argument(words: str, version: str, found: dict[str, Any]) -> None:
    command = read(words, version=version)
    assert (command.engine_args, command.refusals) == (found, ())


def test_an_argument_and_what_it_is_short_for_exclude_each_other() -> None:
    with pytest.raises(InputError, match="mutually exclusive"):
        read('--cudagraph-capture-sizes 1 2 --compilation-config {"cudagraph_capture_sizes":[4]}')


def test_a_flag_that_decides_memory_keeps_its_value_and_one_that_does_not_its_words() -> None:
    command = read("--cpu-offload-params mlp attn --port 8001 --enable-dbo")

    assert command.engine_args == {"cpu_offload_params": ["mlp", "attn"], "enable_dbo": True}
    assert command.extra == ("--port", "8001")


def test_a_config_files_flags_come_before_the_commands_own() -> None:
    text = "max-model-len: 4k\ntensor_parallel_size: 2\nenforce-eager: true\nenable-prefix-caching: false\n"
    text += (
        "cudagraph-capture-sizes: [1, 2]\nspeculative-config: {method: mtp, num_speculative_tokens: 1}\nmodel: other\n"
    )
    files = {"c.yaml": text}
    command = read("--config c.yaml --max-model-len 8k", beside=files.get)

    assert (command.model, command.left_out, command.refusals) == ("m", (), ())
    assert command.engine_args == {
        "max_model_len": 8000,
        "tensor_parallel_size": 2,
        "enforce_eager": True,
        "enable_prefix_caching": False,
        "compilation_config": {"cudagraph_capture_sizes": [1, 2]},
        "speculative_config": {"method": "mtp", "num_speculative_tokens": 1},
    }


def test_a_config_file_names_the_model_where_the_command_does_not() -> None:
    command = parse_words(
        ["vllm", "serve", "--config", "c.yaml"], beside={"c.yaml": "model: a/b\nmax-num-seqs: 4\n"}.get
    )
    assert (command.model, command.engine_args) == ("a/b", {"max_num_seqs": 4})


def test_a_config_file_that_is_not_at_hand_is_left_out_aloud() -> None:
    assert read("--config c.yaml").left_out == ("--config c.yaml is not at hand: what it sets is left out.",)


@pytest.mark.parametrize("text", ["a: [1", "- a\n- b\n", "a: &x 1\nb: *x\n", "a: !!python/object:os.system x\n"])
def test_a_broken_config_file_is_one_sentence(text: str) -> None:
    with pytest.raises(InputError, match=r"^config: (is n|uses YAML aliases)"):
        read("--config c.yaml", beside={"c.yaml": text}.get)


def test_a_variable_that_nobody_set_is_left_out_and_no_second_model() -> None:
    command = read("--max-num-seqs 4 $EXTRA_ARGS")
    assert (command.model, command.refusals, command.left_out) == ("m", (), ("$EXTRA_ARGS is not known here.",))


@pytest.mark.parametrize("words", ["--enable-chunked-prefill=false", "--enable-chunked-prefill False"])
def test_chunked_prefill_took_true_or_false_to_0_8_4(words: str) -> None:
    """`action=StoreBoolean, nargs="?"` in the sources of 0.6.6 to 0.8.4; 0.8.5 has argparse's BooleanOptionalAction."""
    assert read(words, version="0.8.4").engine_args == {"enable_chunked_prefill": False}
    assert read(words, version="0.8.4").refusals == ()
    assert read(words, version="0.8.5").refusals


def test_the_key_of_a_level_is_a_level_since_0_13() -> None:
    with pytest.raises(InputError, match=r"optimization_level.*\.mode=3"):
        read("-O.mode=3", version="0.13.0")


def test_a_level_without_one_is_no_flag() -> None:
    assert read("-O", version="0.33.0").refusals[0].startswith("unrecognized arguments: -O")
    assert read("-O", version="0.11.0").refusals


def test_a_switch_of_0_8_4_takes_true_or_false_and_no_other_word() -> None:
    assert read("--enable-chunked-prefill", version="0.8.4").engine_args == {"enable_chunked_prefill": True}
    both = read("--enable-chunked-prefill FALSE --enforce-eager", version="0.8.4")
    assert both.engine_args == {"enable_chunked_prefill": False, "enforce_eager": True}
    assert read("--enable-chunked-prefill n", version="0.8.4").refusals == ("unrecognized arguments: n",)
    assert read("--enforce-eager false", version="0.8.4").refusals == ("unrecognized arguments: false",)


@pytest.mark.parametrize(
    ("words", "refused", "engine"),
    [
        ("--frob x y", ("--frob", "y"), {}),
        ("--frob=1 x", ("--frob", "x"), {}),
        ("--frob --enforce-eager", ("--frob",), {"enforce_eager": True}),
        ("--frob x --enforce-eager", ("--frob",), {"enforce_eager": True}),
        ("--frob x --frob y", ("--frob",), {}),
    ],
)
def test_the_word_behind_what_is_no_flag_is_taken_for_its_value(
    words: str, refused: tuple[str, ...], engine: dict[str, Any]
) -> None:
    command = read(words)
    assert tuple(one.split()[2] for one in command.refusals) == refused
    assert (command.unknown, command.engine_args) == (("--frob",), engine)


def test_what_may_be_meant_is_said_of_the_first_sixteen() -> None:
    refusals = read(" ".join(f"--max-model-len{letter}" for letter in "abcdefghijklmnopqr")).refusals
    assert ["did you mean --max-model-len?" in one for one in refusals] == [True] * 16 + [False] * 2


@pytest.mark.parametrize(
    ("text", "problem"), [("[" + "1" * 100, "is not JSON"), (f'"{"x" * 100}"', "is not a JSON object")]
)
def test_a_long_text_that_is_no_object_is_shown_by_its_first_eighty_signs(text: str, problem: str) -> None:
    with pytest.raises(InputError) as error:
        parse_words(["m", "--hf-overrides", text])
    assert error.value.data == {"name": "hf_overrides", "value": text[:80], "problem": problem}
