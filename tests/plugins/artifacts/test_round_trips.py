"""What is written is read back as the same thing, and no name of a model gets out of its quotes."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import vram
from vram.deploy.generate import label_of
from vram.deploy.profile_file import read_profile
from vram.models.saved_request import SavedRequest, Serving, is_label
from vram.serving import parse_file
from vram_plugins.artifacts.profile import profile_text

Files = Callable[..., dict[str, str]]
HOSTILE = (
    "it's a model", 'double "quotes"', "$(touch pwned)", "`touch pwned`", "$HOME ${HOME} $$", "a; touch pwned", "a && b #c",
    "*", "key: value", "- item", "{{ .Values }}", "%q %s", "&anchor *alias !tag", "mödel-模型-🙂", "--port", "# comment", "yes", "1e3",
    "back\\slash", "tab\there", "line\nbreak: 1\n- x", "a\n# b\ntouch pwned", "-n", "~", "trailing ",
)  # fmt: skip
UNSAFE_TO_TYPE = {"--port", "-n"}  # a folder's path is made absolute, so these never begin a word

words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=30).filter(str.strip)
whole = st.integers(1, 2**31)
engine_args = st.fixed_dictionaries(
    {},
    optional={
        "tensor_parallel_size": st.sampled_from([1, 2, 4, 8]),
        "pipeline_parallel_size": st.sampled_from([1, 2]),
        "data_parallel_size": st.sampled_from([1, 2]),
        "dtype": st.sampled_from(["auto", "bfloat16"]),
        "kv_cache_dtype": st.sampled_from(["auto", "fp8"]),
        "max_model_len": st.integers(16, 131072),
        "max_num_seqs": st.integers(1, 4096),
        "gpu_memory_utilization": st.floats(0.1, 1.0),
        "cpu_offload_gb": st.floats(0, 64),
        "enforce_eager": st.booleans(),
        "enable_prefix_caching": st.booleans(),
        "enable_lora": st.booleans(),
        "max_lora_rank": st.sampled_from([8, 16, 64]),
        "limit_mm_per_prompt": st.dictionaries(words, st.integers(0, 9), max_size=2),
    },
)
requests = st.builds(
    SavedRequest,
    model=st.none() | words,
    revision=st.none() | words,
    trust_remote_code=st.booleans(),
    params_billion=st.none() | st.floats(0, 1000),
    layers=st.none() | whole,
    gpu=st.none() | words,
    gpus=st.none() | whole,
    gpu_memory_gib=st.none() | st.floats(0, 1000),
    vllm_version=st.sampled_from([None, "0.19", "0.33.0"]),
    prompt_tokens=st.none() | whole,
    concurrency=st.none() | whole,
    batching_mode=st.sampled_from([None, "throughput", "latency"]),
    headroom_gib=st.none() | st.floats(0, 100),
    engine_args=engine_args,
    emit=st.lists(words, max_size=3).map(tuple),
    serving=st.builds(
        Serving,
        port=st.integers(1, 65535),
        requires_api_key=st.booleans(),
        extra_flags=st.lists(words, max_size=4).map(tuple),
    ),
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(request=requests)
def test_a_profile_read_back_is_the_same_request_and_the_same_text(tmp_path: Path, request: SavedRequest) -> None:
    text = profile_text(request)
    path = tmp_path / "profile.yaml"
    path.write_text(text, encoding="utf-8", newline="\n")
    again = read_profile(path)
    assert again == request
    assert profile_text(again) == text


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(given_args=engine_args)
def test_every_file_is_the_same_after_reading_the_profile_back(
    files_of: Files, tmp_path: Path, given_args: dict[str, Any]
) -> None:
    many = given_args.get("tensor_parallel_size", 1) * given_args.get("pipeline_parallel_size", 1) > 4
    given_args = {**given_args, "data_parallel_size": 1} if many else given_args
    kinds = ("command", "profile", "k8s", "helm")
    first = files_of(*kinds, engine_args=given_args)
    (tmp_path / "profile.yaml").write_text(first["profile.yaml"])
    again = read_profile(tmp_path / "profile.yaml")
    assert files_of(*kinds, engine_args=again.engine_args, model=again.model) == first


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(given_args=engine_args)
def test_a_generated_file_pasted_back_gives_the_same_estimate(
    files_of: Files, small_model: Callable[..., str], written: Callable[[str, str], Path], given_args: dict[str, Any]
) -> None:
    several = given_args.get("tensor_parallel_size", 1) * given_args.get("pipeline_parallel_size", 1) > 8
    if several:
        given_args = {**given_args, "data_parallel_size": 1}
    one_machine = Serving(gpus_per_node=16 if several else 32)
    direct = vram.estimate(small_model(), gpu="H100", **given_args)
    made = files_of("command", "compose", "k8s", "helm", engine_args=given_args, serving=one_machine)
    values = next(name for name in made if name.endswith("values.yaml"))
    for name in ("serve.sh", "compose.yaml", "k8s/deployment.yaml", values):
        command = parse_file(written(name, made[name]))
        assert command.unknown == ()
        pasted = vram.estimate(
            command.model, gpu="H100", gpus=command.gpus, vllm_version=command.vllm_version, **command.engine_args
        )
        assert pasted.to_dict() == direct.to_dict()


def test_the_leader_of_several_machines_pasted_back_gives_the_same_estimate(
    files_of: Files, small_model: Callable[..., str], written: Callable[[str, str], Path]
) -> None:
    sizes = {"tensor_parallel_size": 8, "pipeline_parallel_size": 2}
    direct = vram.estimate(small_model(), gpu="H100", **sizes)
    made = files_of("command", "k8s", "helm", engine_args=sizes)
    values = next(name for name in made if name.endswith("values.yaml"))
    for name in ("serve.sh", "k8s/leaderworkerset.yaml", values):
        command = parse_file(written(name, made[name]))
        pasted = vram.estimate(command.model, gpu="H100", gpus=command.gpus, **command.engine_args)
        assert pasted.to_dict() == direct.to_dict()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_model_name_stays_one_word_everywhere(
    files_of: Files, small_model: Callable[..., str], written: Callable[[str, str], Path], name: str
) -> None:
    path = small_model(name)
    made = files_of(model=path)
    for file in ("serve.sh", "compose.yaml", "k8s/deployment.yaml"):
        assert parse_file(written(file, made[file])).model == path
    helm = next(text for file, text in made.items() if file.endswith("values.yaml"))
    assert yaml.safe_load(helm)["server"]["args"][0] == path.replace("$", "$$")
    for file, text in made.items():
        assert path not in file
        if "/templates/" not in file and file.endswith(".yaml"):
            assert yaml.safe_load(text) is not None


@pytest.mark.parametrize("name", HOSTILE)
def test_the_shell_hands_a_hostile_name_to_vllm_as_it_is(
    files_of: Files, small_model: Callable[..., str], tmp_path: Path, name: str
) -> None:
    # a stand-in for vllm prints the words that arrive
    (tmp_path / "vllm").write_text('#!/bin/sh\nprintf "%s\\0" "$@"\n')
    (tmp_path / "vllm").chmod(0o755)
    path = small_model(name)
    script = files_of("command", model=path)["serve.sh"]
    done = subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
    )
    assert done.stdout.split("\0")[:2] == ["serve", path]
    assert [p.name for p in tmp_path.iterdir()] == ["vllm"]


@given(model=st.text(min_size=1, max_size=200))
def test_every_model_gets_a_name_that_kubernetes_takes(model: str) -> None:
    label = label_of(model)
    # RFC 1035, which Services follow
    assert is_label(label)
    assert re.fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", label)


def test_long_names_that_differ_late_stay_different() -> None:
    assert label_of("org/" + "x" * 80 + "-a") != label_of("org/" + "x" * 80 + "-b")
    assert label_of("Qwen/Qwen3-8B") == "vllm-qwen3-8b"


def test_values_with_shell_and_kubernetes_variables_stay_text(
    files_of: Files, written: Callable[[str, str], Path]
) -> None:
    word = "$(HF_TOKEN) $HOME ${X} $$ 'q'"
    made = files_of(serving=Serving(extra_flags=("--served-model-name", word)))
    container = yaml.safe_load(made["k8s/deployment.yaml"])["spec"]["template"]["spec"]["containers"][0]
    # Kubernetes and compose replace $$ by $ and leave nothing else to replace
    assert word.replace("$", "$$") in container["args"]
    assert parse_file(written("compose.yaml", made["compose.yaml"])).extra[:2] == ("--served-model-name", word)
    assert word in shlex.split(made["serve.sh"], comments=True)
