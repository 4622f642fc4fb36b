"""`follow` on two small made-up releases and a few answers; no vLLM is asked."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from tests.conformance import registry
from tests.conformance.follow import __main__ as follow
from tests.conformance.follow import recording
from tests.conformance.follow.asking import QUANTIZED, config_of, key, questions, recorded
from tests.conformance.follow.causes import Sources, assign, changed_names, touched
from tests.conformance.follow.environment import sorted_requirements
from tests.conformance.follow.moves import Move, moves
from tests.conformance.follow.says import NEITHER, NEW, OLD, says
from tests.conformance.follow.sources import unpack

from vram.vllm import format_version
from vram.vllm.versions import NEWEST

VERSION = format_version(NEWEST)
ABOUT = {"suite": "registry", "gpu": "h100", "tp": 1, "pp": 1, "args": {}}
REGISTRY = (
    'MODELS = {\n    "LlamaForCausalLM": ("llama", "Llama"),\n    "MixtralForCausalLM": ("mixtral", "Mixtral"),\n}\n'
)
MIXTRAL = "from vllm.model_executor.layers.experts import Experts\nfrom .llama import Llama\n\nclass Mixtral(Llama):\n    size = %s\n"
FILES = {
    "model_executor/layers/quantization/__init__.py": 'QuantizationMethods = Literal["fp8"]\nmethod_to_config = {}\n',
    "model_executor/layers/experts.py": "class Experts:\n    pass\n",
    "model_executor/models/registry.py": REGISTRY,
    "model_executor/models/llama.py": "class Llama:\n    size = 1\n",
    "model_executor/models/mixtral.py": MIXTRAL % 1,
    "engine/arg_utils.py": 'parser.add_argument("--seed", default=0)\n',
    "config/cache.py": 'CacheDType = Literal["auto"]\n',
    "v1/core/kv_cache_utils.py": "def plan():\n    return 1\n",
}


@pytest.fixture
def releases(tmp_path: Path) -> Path:
    """The older one's files, and a newer one with another Mixtral, a flag and a cache dtype more."""
    newer = FILES | {
        "model_executor/models/mixtral.py": MIXTRAL % 2,
        "model_executor/models/llama.py": "# said otherwise\nclass Llama:\n    size = 1\n",
        "engine/arg_utils.py": FILES["engine/arg_utils.py"] + 'parser.add_argument("--haste", default=1)\n',
        "config/cache.py": 'CacheDType = Literal["auto", "fp8"]\n',
    }
    for name, files in (("0.32.0", FILES), (VERSION, newer)):
        for path, text in files.items():
            file = tmp_path / name / "vllm" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    return tmp_path


def answer(name: str, **said: Any) -> dict[str, Any]:
    return {**ABOUT, "id": name, **said}


def told(name: str) -> dict[str, Any]:
    """vLLM's recorded answer about an architecture on one H100."""
    found = next(a for a in registry.built() if (a["id"], a["gpu"], a["tp"]) == (name, "h100", 1))
    return {"suite": "registry", "pp": 1, **found}


def only_move(old: dict[str, Any], new: dict[str, Any]) -> Move:
    (move,) = moves([old], [new])[0]
    return move


def test_a_number_that_differs_moved_and_one_that_does_not_is_the_same() -> None:
    old = [answer("a", parameter_bytes=[8], tokens=16), answer("b", parameter_bytes=[8])]
    new = [answer("a", parameter_bytes=[12], tokens=16), answer("b", parameter_bytes=[8])]
    moved, same = moves(old, new)
    assert [(move.new["id"], move.kinds, move.fields()) for move in moved] == [
        ("a", ("parameters",), ("parameter_bytes",))
    ]
    assert [one["id"] for one in same] == ["b"]


def test_what_only_one_release_was_asked_is_not_compared() -> None:
    moved, same = moves([answer("a", parameter_bytes=[8])], [answer("a", parameter_bytes=[8], block_size=16, tokens=5)])
    assert not moved
    assert len(same) == 1


def test_groups_are_compared_where_both_were_recorded() -> None:
    moved, _ = moves([answer("a", tokens=5)], [answer("a", tokens=5, groups={"2": 1})])
    assert not moved
    assert only_move(answer("a", tokens=5, groups={2: 1}), answer("a", tokens=5, groups={"2": 3})).kinds == ("KV plan",)


def test_a_plan_that_no_longer_fits_moved() -> None:
    assert only_move(answer("a", tokens=5), answer("a", estimated_max_model_len=3)).kinds == ("KV plan",)


def test_of_two_refusals_the_wording_does_not_count() -> None:
    moved, same = moves([answer("a", error="no")], [answer("a", error="never")])
    assert (len(moved), len(same)) == (0, 1)


def test_a_refusal_is_all_that_moved() -> None:
    move = only_move(answer("a", error="no"), answer("a", parameter_bytes=[8], dtype="bfloat16"))
    assert move.kinds == ("refusal",)


def test_a_model_goes_through_the_files_it_imports_that_changed_in_more_than_words(releases: Path) -> None:
    sources = Sources(releases / "0.32.0", releases / VERSION)
    files = touched({}, {"architectures": ["MixtralForCausalLM"]}, sources, "parameters")
    assert files == {"model_executor/models/mixtral.py"}
    assert sources.change("model_executor/models/mixtral.py") == "+1 −1: `Mixtral`"


def test_comments_docstrings_and_imports_are_no_change() -> None:
    assert changed_names("import a\ndef f():\n    'x'\n    return 1\n", "import b\ndef f():\n    return 1  # y\n") == []


def test_what_changed_is_named_with_its_class() -> None:
    old, new = "class A:\n    def f(self):\n        return 1\n", "class A:\n    def f(self):\n        return 2\nX = 3\n"
    assert changed_names(old, new) == ["A.f", "module"]


def test_a_file_that_moved_answers_touch_and_others_do_not_is_the_cause() -> None:
    moved = {"a": frozenset({"shared.py", "layer.py"}), "b": frozenset({"shared.py", "layer.py", "b.py"})}
    same = [frozenset({"shared.py"})] * 9
    assert assign(moved, same) == {"a": ("layer.py",), "b": ("layer.py",)}


def test_what_the_first_cause_leaves_has_one_of_its_own() -> None:
    moved = {"a": frozenset({"x.py"}), "b": frozenset({"x.py"}), "c": frozenset({"c.py"}), "d": frozenset()}
    assert assign(moved, []) == {"a": ("x.py",), "b": ("x.py",), "c": ("c.py",), "d": ()}


def test_vram_says_the_new_the_old_or_neither() -> None:
    vllms = told("MixtralForCausalLM")
    other, third = ({**vllms, "parameter_bytes": [size]} for size in (1000, 2000))
    assert says(only_move(other, vllms), VERSION) == NEW
    assert says(only_move(vllms, other), VERSION) == OLD
    assert says(only_move(third, other), VERSION) == NEITHER


def test_vram_builds_what_only_the_new_release_builds() -> None:
    assert says(only_move(answer("MixtralForCausalLM", error="no"), told("MixtralForCausalLM")), VERSION) == NEW
    assert says(only_move(told("MixtralForCausalLM"), answer("MixtralForCausalLM", error="no")), VERSION) == OLD


def test_every_recorded_question_can_be_asked_again() -> None:
    known = recorded(("registry", "catalog", "quantized"))
    asked = list(questions(known, {"NewForCausalLM": {"architectures": ["NewForCausalLM"]}}, gpus=["h100"], sizes=[1]))
    assert {key(one) for one in known if (one["gpu"], one["tp"]) == ("h100", 1)} < {key(one) for one in asked}
    assert asked[-1]["id"] == "NewForCausalLM"
    assert all(one["config"] for one in asked)


def test_a_quantized_question_has_its_block_where_the_checkpoint_has_it() -> None:
    inside = next(
        one for one in recorded(("quantized",)) if "quantization_config" in config_of(one).get("text_config", {})
    )
    assert "quantization_config" not in config_of(inside)


def test_torch_and_cuda_are_left_out_and_kernels_come_alone() -> None:
    requires = [
        "torch==2.14.0",
        "transformers<6",
        "flashinfer-python==0.7.2",
        "nvidia-cutlass-dsl[cu13]==4",
        "x; extra == 'y'",
    ]
    assert sorted_requirements(requires) == (["transformers<6"], ["flashinfer-python==0.7.2"])


def test_of_a_wheel_vllms_python_is_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "vllm.whl", "w") as wheel:
        for name in ("vllm/a.py", "vllm/_C.so", "other/b.py"):
            wheel.writestr(name, "")
    unpack(tmp_path / "vllm.whl", tmp_path / "out")
    assert [str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.*")] == ["vllm/a.py"]


def test_the_report_tells_what_came_what_moved_why_and_what_vram_says(
    releases: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mixtral, llama = told("MixtralForCausalLM"), told("LlamaForCausalLM")
    for name, found in (("old", [{**mixtral, "parameter_bytes": [1000]}, llama]), ("new", [mixtral, llama])):
        (tmp_path / name).write_text("".join(json.dumps(one) + "\n" for one in found))
    old, new = str(tmp_path / "old"), str(tmp_path / "new")
    follow.main([VERSION, "--previous", "0.32.0", "--sources", str(releases), "--before", old, "--answers", new])
    report = capsys.readouterr().out
    assert f"# vLLM {VERSION} against 0.32.0" in report
    assert "asked 2 questions: 1 answers are the same, 1 moved" in report
    assert "- **KV cache dtypes**: came `fp8`" in report
    assert "came `--haste = 1`" in report
    assert "### parameters: 1\n\n- `vllm/model_executor/models/mixtral.py` (+1 −1: `Mixtral`)" in report
    assert f"parameter_bytes 1,000 → {mixtral['parameter_bytes'][0]:,}" in report
    assert "- `vram` says the new: 1" in report
    assert "0 are not equal" in report


def test_recorded_answers_of_the_catalog_stay_beside_the_new_releases(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    file.write_text('{"id":"a","vllm":"0.32.0"}\n{"id":"b","vllm":"0.33.0"}\n')
    recording.record_catalog([answer("a", vllm="0.33.0", specs=[]), answer("c", error="no")], file)
    assert [(one["id"], one["vllm"]) for one in registry.read(file)] == [("a", "0.32.0"), ("a", "0.33.0")]
    assert "specs" not in file.read_text()


def test_recorded_formats_get_the_new_sizes_and_refusals(tmp_path: Path) -> None:
    file = tmp_path / "quantized.json"
    old = [["m", "fp8", "h100", 1, {}, 10], ["m", "awq", "h100", 1, {}, 20], ["m", "fp8", "t4", 1, {}, 5]]
    file.write_text(
        json.dumps({"vllm": "0.32.0", "bases": {"m": {}}, "blocks": {"fp8": {}, "awq": {}}, "answers": old})
    )
    about = {**ABOUT, "suite": "quantized"}
    new = [{**about, "id": "m/fp8", "vllm": "0.33.0", "parameter_bytes": [11]}, {**about, "id": "m/awq", "error": "no"}]
    recording.record_quantized(new, file)
    told = json.loads(file.read_text())
    assert told["vllm"] == "0.33.0"
    assert [one[-1] for one in told["answers"]] == [11, None, 5]


def test_the_recorded_formats_are_written_as_they_are_read(tmp_path: Path) -> None:
    file = tmp_path / "quantized.json"
    file.write_text(QUANTIZED.read_text())
    recording.record_quantized([answer("nothing", suite="quantized", vllm=VERSION)], file)
    assert file.read_text() == QUANTIZED.read_text()
