"""Profiles as strangers write them: read, or refused in one sentence."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vram.deploy.profile_file import read_profile
from vram.errors import VramError
from vram.models.saved_request import SavedRequest

HEAD = "profile_version: 1\n"


def profile(folder: Path, text: str) -> Path:
    (folder / "p.yaml").write_text(text)
    return folder / "p.yaml"


def test_sections_are_read_into_the_request(tmp_path: Path) -> None:
    text = """
        model: {id: Qwen/Qwen3-8B, kv_cache_dtype: fp8, max_seq_len: 8192, revision: main}
        hardware: {gpu_name: RTX 4090, gpus: 2, vram_gb: 24, interconnect: pcie, overhead_profile: generic}
        workload: {prompt_tokens: 2000, gen_tokens: 300, concurrency: 4, batching_mode: latency}
        policy: {gpu_memory_utilization: 0.85, headroom_gib: 0, fragmentation_factor: 1.2}
        outputs: {emit: [command, k8s], vllm_version: "0.19", vllm_args: {enforce-eager: true, max_num_seqs: 8}, port: 80}
    """
    found = read_profile(profile(tmp_path, HEAD + "\n".join(line.strip() for line in text.splitlines())))
    assert (found.model, found.revision, found.gpu, found.gpus) == ("Qwen/Qwen3-8B", "main", "RTX 4090", 2)
    assert (found.gpu_memory_gib, found.interconnect, found.profile, found.vllm_version) == (
        24,
        "pcie",
        "generic",
        "0.19",
    )
    assert (found.prompt_tokens, found.gen_tokens, found.concurrency, found.batching_mode) == (2000, 300, 4, "latency")
    assert (found.headroom_gib, found.fragmentation_factor, found.emit, found.serving.port) == (
        0,
        1.2,
        ("command", "k8s"),
        80,
    )
    assert found.engine_args == {
        "kv_cache_dtype": "fp8", "max_model_len": 8192, "gpu_memory_utilization": 0.85, "enforce_eager": True, "max_num_seqs": 8,
    }  # fmt: skip


def test_sections_and_values_may_be_left_empty(tmp_path: Path) -> None:
    assert read_profile(profile(tmp_path, HEAD + "model:\nhardware: {gpu: null}\n")) == SavedRequest()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a profile"),
        ("- 1", "is not a profile"),
        ("model: {id: x}", "profile_version"),
        ("profile_version: 2", "profile_version"),
        ("profile_version: true", "profile_version"),
        (HEAD + "models: {id: x}", "Did you mean model"),
        (HEAD + "model: Qwen", "must be a section of keys and values"),
        (HEAD + "model: {name: x}", "Unknown key of a profile's model 'name'"),
        (HEAD + "model: {id: 7}", "must be text"),
        (HEAD + "model: {max_model_len: long}", "max_model_len: has the wrong type"),
        (HEAD + "model: {max_model_len: -5}", "max_model_len"),
        (HEAD + "model: {trust_remote_code: 'yes'}", "must be true or false"),
        (HEAD + "hardware: {gpus: 0}", "must be a whole number"),
        (HEAD + "hardware: {gpus: 1.5}", "must be a whole number"),
        (HEAD + "hardware: {vram_gib: .nan}", "must be a number"),
        (HEAD + "hardware: {gpu: 2024-01-01}", "must be text"),
        (HEAD + "policy: {gpu_memory_utilization: 2}", "gpu_memory_utilization"),
        (HEAD + "outputs: {emit: command}", "must be a list of texts"),
        (HEAD + "outputs: {emit: [1]}", "must be a list of texts"),
        (HEAD + "outputs: {vllm_args: [1]}", "must be vLLM's names with values"),
        (HEAD + "outputs: {vllm_args: {warp_speed: 9}}", "Unknown engine argument 'warp_speed'"),
        (HEAD + "outputs: {vllm_args: {enforce_eager: 1}}", "enforce_eager: has the wrong type"),
        (HEAD + "outputs: {name: 'x; rm'}", "must be small letters"),
        (HEAD + "model: [", "is not valid YAML in line"),
        (HEAD + "a: &a [1]\nb: [*a, *a]", "uses YAML aliases"),
        (HEAD + "model: {id: !!python/object/apply:os.system [id]}", "is not valid YAML"),
        (HEAD + "model: " + "[" * 5000, "is nested more than 64 levels deep"),
    ],
)
def test_what_is_no_profile_is_one_clear_error(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(VramError) as caught:
        read_profile(profile(tmp_path, text))
    assert message in str(caught.value)
    assert len(str(caught.value)) < 600


def test_files_that_are_missing_huge_or_binary_are_named(tmp_path: Path) -> None:
    (tmp_path / "big.yaml").write_text("#" * (1 << 20) + "\n")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    for name, problem in (
        ("no.yaml", "does not exist"),
        ("big.yaml", "more than any such file"),
        ("binary.yaml", "is not text"),
        (".", "is not a regular file"),
    ):
        with pytest.raises(VramError, match=problem):
            read_profile(tmp_path / name)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10) | st.dates()
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | st.integers(), inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from(
    [
        "id",
        "gpu",
        "gpus",
        "emit",
        "vllm_args",
        "dtype",
        "max_model_len",
        "concurrency",
        "headroom_gib",
        "port",
        "extra_flags",
        "x",
    ]
)
sections = st.sampled_from(["model", "hardware", "workload", "policy", "outputs"])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(document=st.dictionaries(sections, anything | st.dictionaries(keys, anything, max_size=4), max_size=4))
def test_any_document_is_a_request_or_a_clear_error(tmp_path: Path, document: dict[str, object]) -> None:
    import yaml

    path = profile(tmp_path, yaml.safe_dump({"profile_version": 1, **document}))
    with suppress(VramError):
        assert isinstance(read_profile(path), SavedRequest)
