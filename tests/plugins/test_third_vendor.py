"""A vendor that nobody here knows: a whole answer from a plugin alone, without a line in the core (tests/third_party)."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest

import vram
from vram.deploy.generate import artifact_request, render_files
from vram.errors import InputError, OtherVendorError
from vram.models.saved_request import SavedRequest, Serving
from vram.plugin import manager
from vram.plugin.manager import Plugins, plugins
from vram.testing import check_plugin

SOURCE = Path(__file__).parents[1] / "third_party" / "vram-tide-vendor" / "src"
MINE = EntryPoint(name="tide", value="vram_tide.plugin", group="vram")
LLAMA_LAYERS, LLAMA_ROWS = 32, (32 + 8 + 8) * 128 + 4096 + 2 * 14336 + 4096  # rows of qkv, o, gate and up, down


@pytest.fixture(autouse=True)
def with_tide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SOURCE))
    monkeypatch.setattr(manager, "_current", Plugins([*entry_points(group="vram"), MINE]))


def test_the_plugin_keeps_the_contracts():
    check_plugin("vram_tide.plugin")


def test_its_accelerator_is_answered_for_in_full(model_folder):
    answer = vram.estimate(str(model_folder()), gpu="Tide T1", max_model_len=4096)

    assert (answer.deployment.platform, answer.deployment.gpu, answer.verdict.starts) == ("tide", "Tide T1", True)
    assert answer.kv_cache.block_size == 128  # its kernel's
    h100 = vram.estimate(str(model_folder()), gpu="H100", max_model_len=4096)
    rows_apart = 64 * LLAMA_LAYERS * LLAMA_ROWS
    assert answer.memory.weights.expected == h100.memory.weights.expected + rows_apart


def test_what_it_has_no_kernel_for_is_refused_in_its_words(model_folder):
    folder = model_folder(quantization_config={"quant_method": "fp8", "activation_scheme": "dynamic"})

    answer = vram.estimate(str(folder), gpu="Tide T1", max_model_len=4096)

    assert "Tide t1 has no kernel for fp8 weights" in {check.message for check in answer.verdict.checks}
    assert not answer.verdict.starts


def test_memory_runs_out_under_its_own_name(model_folder):
    answer = vram.estimate(str(model_folder(num_hidden_layers=160)), gpu="Tide T1", max_model_len=4096)

    assert any(check.message.startswith("Tide out of memory") for check in answer.verdict.checks)


def test_it_is_compared_with_other_vendors_and_its_speed_is_estimated(model_folder):
    compared = vram.compare(str(model_folder()), gpus=["Tide T1", "H100", "MI300X"], max_model_len=4096).to_dict()
    speed = vram.performance(
        str(model_folder()), gpu="Tide T1", prompt_tokens=500, gen_tokens=100, concurrency=4, max_model_len=4096
    )

    assert {"Tide T1", "H100 80GB SXM", "MI300X"} <= set(_strings(compared))
    assert speed.output_tokens_per_s.low > 0


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one)


def test_a_gpu_whose_platform_nobody_models_is_refused_in_one_sentence(model_folder, monkeypatch):
    without = Plugins([*entry_points(group="vram"), MINE])
    monkeypatch.setattr(without, "platforms", {}, raising=False)
    monkeypatch.setattr(manager, "_current", without)

    with pytest.raises(OtherVendorError, match="of the platform 'tide', which no plugin here models"):
        vram.estimate(str(model_folder()), gpu="Tide T1")


def files_of(model: str, kind: str, **serving: int) -> str:
    """What an artifact writes for its accelerator, all files together."""
    asked = SavedRequest(model=model, gpu="Tide T1", emit=(kind,), serving=Serving(**serving))
    estimate = vram.estimate(model, gpu="Tide T1", max_model_len=4096)
    files = render_files(plugins(), (kind,), artifact_request(estimate, asked))
    return "\n".join(file.text for file in files)


def test_files_that_deploy_it_hand_in_its_devices_and_run_its_image(model_folder):
    compose = files_of(str(model_folder()), "compose")

    assert "/dev/tide0:/dev/tide0" in compose
    assert "tide/vllm:v" in compose
    helm = files_of(str(model_folder()), "helm")
    assert "repository: tide/vllm\n" in helm
    assert "tide.example/npu" in helm


def test_servers_share_a_machine_only_where_something_divides_its_devices(model_folder):
    with pytest.raises(InputError, match="no variable is known that divides GPUs of this platform"):
        files_of(str(model_folder()), "compose", replicas=2)
