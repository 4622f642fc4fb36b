"""The estimate against a log, and the correction that is saved."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import vram
from vram.errors import InputError, UnknownNameError, VramError
from vram.units import GIB
from vram_plugins.logs.parse import parse_lines
from vram_plugins.logs.reading import lines_of
from vram_plugins.reconcile.question import Given
from vram_plugins.reconcile.reconcile import reconcile_log


def test_each_logged_number_stands_beside_its_prediction(a100_log, write_log):
    result = vram.reconcile(write_log(a100_log), gpu="A100 40GB")
    assert (result.problem, result.findings) == (None, ())
    assert [c.name for c in result.components] == [
        "weights", "cuda_graphs", "other", "kv_cache_available", "kv_tokens", "max_concurrency",
    ]  # fmt: skip
    # the budget is 0.9 of the board; what is neither weights nor KV is the rest
    other = result.component("other")
    budget = 0.9 * result.gpu_memory_bytes
    assert other.logged == pytest.approx(budget - (14.9889 + 19.24) * GIB, abs=GIB / 1000)
    assert all(component.inside for component in result.components)


def test_the_answer_is_plain_data(a100_log, write_log):
    answer = json.loads(json.dumps(vram.reconcile(write_log(a100_log), gpu="A100 40GB").to_dict()))
    assert set(answer) == {
        "schema_version", "log", "prediction", "components", "findings", "stage", "changes", "no_change", "report", "notes", "saved",
    }  # fmt: skip
    weights = answer["components"][0]
    assert (weights["name"], weights["inside"]) == ("weights", True)
    assert weights["logged"] == round(14.9889 * GIB)


def test_what_the_user_says_stands_over_the_log(a100_log, write_log):
    path = write_log(a100_log)
    eager = vram.reconcile(path, gpu="A100 40GB", enforce_eager=True, vllm_version="0.19.1")
    assert eager.vllm_version == "0.19.1"
    assert eager.component("cuda_graphs").predicted == 0


def test_without_a_gpu_what_does_not_depend_on_it_is_compared_and_the_next_step_named(a100_log, write_log):
    result = vram.reconcile(write_log(a100_log))
    assert {c.name for c in result.components} == {"weights", "kv_tokens", "max_concurrency"}
    assert all(component.inside for component in result.components)
    assert any("--gpu" in note for note in result.notes)
    assert (result.gpu, result.profile) == (None, None)


def test_a_board_is_found_by_the_memory_it_reports(a100_log, write_log):
    total = (
        vram.estimate(a100_log.split("'model': '")[1].split("'")[0], gpu="RTX 5090").deployment.gpu_memory_bytes / GIB
    )
    line = f"(EngineCore_DP0 pid=9) INFO Free memory on device ({total - 1:.2f}/{total:.2f} GiB) on startup.\n"
    result = vram.reconcile(write_log(a100_log + line))
    assert result.gpu is not None or any("it may be" in note for note in result.notes)


def test_a_pool_that_only_another_board_explains_says_so(a100_log, write_log):
    result = vram.reconcile(write_log(a100_log), gpu="A100 80GB")
    # (19.24 + 14.99 + about 1.3) / 0.9 = 39.5 GiB
    assert "a GPU of about 39 GiB" in result.component("kv_cache_available").explanation


def test_a_model_that_is_not_here_is_taken_by_name_from_the_catalog(a100_log, write_log, model_folder):
    moved = a100_log.replace(str(model_folder()), "/models/Qwen3-8B")
    result = vram.reconcile(write_log(moved), gpu="A100 40GB")
    assert result.model == "Qwen/Qwen3-8B"
    assert any("taken for Qwen/Qwen3-8B" in note for note in result.notes)
    unknown = a100_log.replace(str(model_folder()), "/models/nobody-knows-this")
    assert "add --model" in vram.reconcile(write_log(unknown), gpu="A100 40GB").problem


def test_a_network_share_named_by_a_log_is_not_opened(a100_log, write_log, model_folder):
    share = a100_log.replace(str(model_folder()), "//evil/share/model")
    assert "network share" in vram.reconcile(write_log(share), gpu="H100").problem


def test_several_starts_are_named(a100_log, write_log):
    result = vram.reconcile(write_log(a100_log * 2), gpu="A100 40GB")
    assert result.starts == 2
    assert "2 engine starts" in result.notes[0]


def test_the_users_own_mistakes_are_refused(a100_log, write_log):
    path = write_log(a100_log)
    with pytest.raises(UnknownNameError):
        vram.reconcile(path, gpu="H1000")
    with pytest.raises(UnknownNameError):
        vram.reconcile(path, profile="nobody")
    with pytest.raises(InputError):
        vram.reconcile(path, max_num_seqs=-1)


def test_a_saved_correction_moves_later_estimates_to_the_log(a100_log, write_log, tmp_path, monkeypatch, model_folder):
    monkeypatch.setenv("VRAM_HOME", str(tmp_path / "home"))
    less = a100_log.replace("19.24 GiB", "18.50 GiB")
    result = vram.reconcile(write_log(less), gpu="A100 40GB", save="mine")
    assert result.saved == str(tmp_path / "home" / "profiles" / "mine.toml")
    arguments = {"vllm_version": "0.11.2", "max_model_len": 4096}
    corrected = vram.estimate(model_folder(max_position_embeddings=131072), profile="mine", **arguments)
    assert corrected.deployment.profile == "mine"
    assert corrected.deployment.gpu == "A100 40GB SXM"  # the profile names its GPU
    assert corrected.memory.kv_cache_available.expected / GIB == pytest.approx(18.50, abs=0.01)
    offset = corrected.memory.non_torch
    assert offset.provenance == "measured"
    assert offset.low < offset.expected < offset.high


def test_a_correction_of_both_parts_moves_both(a100_log, write_log, tmp_path, monkeypatch, model_folder):
    monkeypatch.setenv("VRAM_HOME", str(tmp_path))
    advice = (
        "(EngineCore_DP0 pid=9) DEBUG Free memory on device (39.0/39.49 GiB) on startup. Desired GPU memory utilization is "
        "(0.9, 35.54 GiB). Actual usage is 14.99 GiB for weight, 1.5 GiB for peak activation, 0.4 GiB for non-torch memory, and"
    )
    vram.reconcile(write_log(a100_log + advice), gpu="A100 40GB", save="both")
    model = model_folder(max_position_embeddings=131072)
    found = vram.estimate(model, profile="both", vllm_version="0.11.2", max_model_len=4096).memory
    assert found.activation_peak.expected / GIB == pytest.approx(1.5, abs=0.01)
    assert found.non_torch.expected / GIB == pytest.approx(0.4, abs=0.01)


@pytest.mark.parametrize("name", ["../evil", "", "a/b", "hopper", ".hidden"])
def test_a_correction_has_a_name_of_its_own(a100_log, write_log, tmp_path, monkeypatch, name):
    monkeypatch.setenv("VRAM_HOME", str(tmp_path))
    with pytest.raises(InputError):
        vram.reconcile(write_log(a100_log), gpu="A100 40GB", save=name)
    assert not (tmp_path / "profiles").exists()


def test_nothing_is_saved_of_a_log_that_could_not_be_predicted(a100_log, write_log, tmp_path, monkeypatch):
    monkeypatch.setenv("VRAM_HOME", str(tmp_path))
    with pytest.raises(InputError, match="nothing to save"):
        vram.reconcile(write_log(a100_log), save="x")


def _answered(lines, folder):
    """Reads, compares and prints, or says in one sentence why not."""
    try:
        log = parse_lines(lines, path="x")
        result = reconcile_log(log, Given(model=str(folder), gpu="H100"))
        json.dumps(result.to_dict())
    except VramError as error:
        str(error)


_FUZZED = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
_PIECES = st.one_of(
    st.binary(max_size=6), st.sampled_from([b"9" * 30, b"-1", b"'", b"{", b"(" * 300, b"nan", b"0", b"\n"])
)


@_FUZZED
@given(data=st.binary(max_size=4000))
def test_any_bytes_are_answered_or_refused(data):
    _answered(lines_of(io.BytesIO(data)), "nowhere")


@_FUZZED
@given(data=st.data())
def test_a_damaged_log_is_answered_or_refused(data, a100_log, model_folder):
    raw = bytearray(a100_log.encode())
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 40))] = data.draw(_PIECES)
    _answered(lines_of(io.BytesIO(bytes(raw))), model_folder())


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ("Loading model weights took 14.9595 GB", "0.7.3"),
        ("Model loading took 14.9595 GiB and 3.1 seconds", "0.13.0"),  # two digits since 0.14
        ("Model loading took 14.96 GiB memory and 3.1 seconds", "0.33.0"),
    ],
)
def test_a_log_without_its_version_is_known_by_its_lines(write_log, model_folder, line, version):
    result = vram.reconcile(write_log(line), model=model_folder(), gpu="H100")
    assert result.vllm_version == version
    assert any("--vllm-version" in note for note in result.notes)


@pytest.mark.parametrize(
    ("line", "own", "others"),
    [
        ("INFO 04-26 10:00:00 [rocm.py:525] Using Triton Attention backend.", "R9700", "V100"),
        ("INFO 04-26 10:00:00 [cuda.py:332] Using FLASHINFER attention backend.", "V100", "R9700"),
    ],
)
def test_a_board_told_by_its_memory_is_of_the_logs_platform(a100_log, write_log, line, own, others):
    # 31.86 GiB on an R9700 (logs), 31.75 on a V100 of 32 GB: as near as boards of one model are
    free = "(EngineCore_DP0 pid=9) INFO Free memory on device (31.2/31.80 GiB) on startup.\n"
    told = "\n".join(vram.reconcile(write_log(f"{a100_log}\n{line}\n{free}")).notes)
    assert own in told
    assert others not in told
