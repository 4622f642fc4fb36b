"""What this program says of vLLM's versions against what every release's sources say (`releases.json`)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from vram.errors import InputError
from vram.models.deployment import ENGINE_DEFAULTS
from vram.models.kv_dtype import KVCacheDtype
from vram.models.scheme import QuantizationRequest, QuantizationScheme
from vram.plugin.kinds import load
from vram.serving.words import serve_flags_of
from vram.vllm.versions import behaviour
from vram_plugins import kv_dtypes, quantization

from .release_tables import KINDS, Release, Version, differences, ranges, read_release, version_of

TABLE = json.loads((Path(__file__).parent / "releases.json").read_text())
RELEASES: list[Version] = [version_of(name) for name in TABLE["releases"]]
#: kept as an example of a format that vLLM never had; a dtype that is what "auto" means for a float32 model
NEVER = {"exllama", "float32"}


def held(fact: str) -> set[Version]:
    """The releases a fact holds in."""
    stretches = [(version_of(first), version_of(last)) for first, last in TABLE["facts"].get(fact, ())]
    return {version for version in RELEASES if any(first <= version <= last for first, last in stretches)}


def schemes() -> Iterator[QuantizationScheme]:
    for module in quantization.NAMES:
        yield from load(f"{quantization.__name__}.{module}:schemes")


def dtypes() -> Iterator[KVCacheDtype]:
    for module in kv_dtypes.NAMES:
        yield from load(f"{kv_dtypes.__name__}.{module}:dtypes")


def said(since: Version, removed: Version | None) -> set[Version]:
    return {version for version in RELEASES if since <= version and (removed is None or version < removed)}


@pytest.mark.parametrize("scheme", [pytest.param(s, id=s.name) for s in schemes() if s.name not in NEVER])
def test_a_format_is_there_in_the_releases_that_list_it(scheme: QuantizationScheme) -> None:
    listed = set().union(*(held(f"format {method}") for method in scheme.methods))
    assert said(scheme.since, scheme.removed) == listed


@pytest.mark.parametrize("scheme", [pytest.param(s, id=s.name) for s in schemes()])
def test_a_format_needs_the_flag_in_the_releases_that_deprecate_it(scheme: QuantizationScheme) -> None:
    listed = set().union(*(held(f"deprecated {method}") for method in scheme.methods))
    needed = said(*scheme.deprecated) if scheme.deprecated else set()
    assert needed == listed
    assert not listed or held("flag --allow-deprecated-quantization = False") >= listed


#: formats whose scheme depends on the checkpoint, which the config class does not know yet
BY_CHECKPOINT = {"compressed-tensors", "quark"}
#: a block where none is usual
BLOCKS = {
    "modelopt_mixed": {
        "quant_method": "modelopt_mixed",
        "quant_algo": "MIXED_PRECISION",
        "quantized_layers": {"model.layers.0.mlp.down_proj": {"quant_algo": "FP8"}},
    }
}
#: names of one class on a GPU and of another on older ones: what runs on any is the lowest
KERNELS = {"awq_marlin", "gptq_marlin"}


@pytest.mark.parametrize(
    ("scheme", "method"), [pytest.param(s, m, id=m) for s in schemes() for m in s.methods if s.name not in NEVER]
)
def test_a_format_needs_the_gpu_that_its_release_says(scheme: QuantizationScheme, method: str) -> None:
    if method in BY_CHECKPOINT | KERNELS:
        return
    for version in RELEASES:
        told = [fact for fact in TABLE["facts"] if fact.startswith(f"capability {method} = ") and version in held(fact)]
        if told and said(scheme.since, scheme.removed) >= {version}:
            block = scheme.typical(method) or BLOCKS.get(method)
            release = (version[0], version[1], version[2])
            request = QuantizationRequest(
                method=method, config=block or {}, requested=None if block else method, vllm_version=release
            )
            needed = scheme.min_capability
            if block or scheme.online:
                needed = scheme.bind(request).min_capability or needed
            assert needed[0] * 10 + needed[1] == int(told[0].split()[-1]), version


@pytest.mark.parametrize("dtype", [pytest.param(d, id=d.name) for d in dtypes() if d.name not in NEVER])
def test_a_kv_dtype_is_there_in_the_releases_that_list_it(dtype: KVCacheDtype) -> None:
    assert said(dtype.since, dtype.removed) == held(f"cache_dtype {dtype.name}")


def test_every_kv_dtype_of_every_release_is_known() -> None:
    known = {dtype.name for dtype in dtypes()}
    assert {fact.split()[1] for fact in TABLE["facts"] if fact.startswith("cache_dtype ")} <= known


def flags() -> dict[str, set[Version]]:
    """Each flag with the releases that have it, whatever its default."""
    found: dict[str, set[Version]] = {}
    for fact in TABLE["facts"]:
        if fact.startswith("flag "):
            found.setdefault(fact.split()[1], set()).update(held(fact))
    return found


def is_written(name: str, version: Version) -> bool:
    """Whether `vram generate` writes the flag for that release."""
    try:
        serve_flags_of({name: 1}, (version[0], version[1], version[2]))
    except InputError:
        return False
    return True


@pytest.mark.parametrize("name", sorted(ENGINE_DEFAULTS.keys() - {"environment"}))
def test_a_flag_is_written_for_the_releases_that_have_it_and_no_others(name: str) -> None:
    written = {version for version in RELEASES if version[3:] == () and is_written(name, version)}
    assert written == {v for v in flags()["--" + name.replace("_", "-")] if v[3:] == ()}


def test_the_share_of_memory_vllm_takes_is_the_parsers_default() -> None:
    for version in RELEASES:
        share = behaviour((version[0], version[1], version[2])).default_utilization
        assert version in held(f"flag --gpu-memory-utilization = {share}"), version


PIECES: Mapping[str, str] = {
    "model_executor/layers/quantization/__init__.py": (
        'QuantizationMethods = Literal["awq", "old"]\nDEPRECATED_QUANTIZATION_METHODS = ["old"]\n'
        'def get(name):\n    method_to_config: dict = {"old": Unseen, "awq": AwqConfig}\n'
    ),
    "model_executor/layers/quantization/awq.py": (
        "class AwqConfig:\n    @classmethod\n    def get_min_capability(cls) -> int:\n        # Turing\n        return 75\n"
    ),
    "model_executor/models/registry.py": (
        '_TEXT_GENERATION_MODELS = {"AForCausalLM": ("a", "A")}\n_PREVIOUSLY_SUPPORTED_MODELS = {"Gone": "0.9"}\n'
    ),
    "config/cache.py": 'CacheDType = Literal["auto", "fp8"]\nclass CacheConfig:\n    share: float = Field(default=0.9)\n',
    "config/compilation.py": "class CompilationConfig:\n    mode: int = 0\n    own: int = field(default=0, init=False)\n",
    "engine/arg_utils.py": (
        "class EngineArgs:\n    share: float = CacheConfig.share\n"
        'def add_cli_args(group):\n    group.add_argument("--share", **kwargs["share"])\n'
    ),
}


def written_release(folder: Path, pieces: Mapping[str, str]) -> Release:
    for name, text in pieces.items():
        path = folder / "vllm" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return read_release(folder)


def test_a_release_is_read_from_its_sources_alone(tmp_path: Path) -> None:
    release = written_release(tmp_path / "0.9.1", PIECES)

    assert release.facts() == (
        "architecture AForCausalLM", "cache_dtype auto", "cache_dtype fp8", "capability awq = 75", "deprecated old", "flag --share = 0.9",
        "format awq", "format old", "key compilation_config.mode",
    )  # fmt: skip
    assert {fact.split()[0] for fact in release.facts()} == set(KINDS)


def test_two_releases_differ_in_what_was_lost_and_gained(tmp_path: Path) -> None:
    old = written_release(tmp_path / "0.9.1", PIECES)
    changed = {name: text.replace("0.9)", "0.92)").replace(', "old"]', "]") for name, text in PIECES.items()}
    new = written_release(tmp_path / "0.10.0", changed)

    assert list(differences(old, new)) == ["- flag --share = 0.9", "+ flag --share = 0.92", "- format old"]
    assert ranges([old, new])["format awq"] == [["0.9.1", "0.10.0"]]
    assert ranges([old, new])["format old"] == [["0.9.1", "0.9.1"]]
