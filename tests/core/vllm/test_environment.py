"""Variables of vLLM's environment, as `vllm/envs.py` of each release reads them."""

from __future__ import annotations

import pytest

from vram.errors import InputError
from vram.vllm.environment import Environment, decided_by
from vram.vllm.faults import deciding

CHARGE, V2 = "VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS", "VLLM_USE_V2_MODEL_RUNNER"


@pytest.mark.parametrize(
    ("variables", "version", "decided"),
    [
        (None, (0, 33, 0), Environment()),
        ({}, (0, 33, 0), Environment()),
        ({CHARGE: "0"}, (0, 20, 0), Environment(estimates_graphs=False)),
        ({CHARGE: "1"}, (0, 18, 0), Environment(estimates_graphs=True)),
        ({CHARGE: "1"}, (0, 17, 1), Environment()),  # not yet read
        ({V2: "1"}, (0, 12, 0), Environment(v2_runner=True)),
        ({V2: "1"}, (0, 11, 2), Environment()),
        ({"VLLM_USE_V1": "0"}, (0, 10, 2), Environment(v1_engine=False)),
        ({"VLLM_USE_V1": "0"}, (0, 11, 0), Environment()),
        ({"VLLM_ALLOW_LONG_MAX_MODEL_LEN": "True"}, (0, 6, 6), Environment(any_length=True)),
        ({"VLLM_ALLOW_LONG_MAX_MODEL_LEN": "yes"}, (0, 6, 6), Environment(any_length=False)),  # 1 and true alone
        ({"VLLM_FUSED_MOE_CHUNK_SIZE": "8192"}, (0, 17, 1), Environment(chunk_tokens=8192)),
        ({"VLLM_FUSED_MOE_CHUNK_SIZE": "8192"}, (0, 18, 0), Environment()),
        ({"VLLM_ATTENTION_BACKEND": "FLASHINFER"}, (0, 14, 1), Environment(attention_backend="FLASHINFER")),
        ({"VLLM_ATTENTION_BACKEND": "FLASHINFER"}, (0, 16, 0), Environment()),
        ({"VLLM_USE_FLASHINFER_SAMPLER": " 1 "}, (0, 9, 2), Environment(flashinfer_sampler=True)),
        ({"VLLM_SPARSE_INDEXER_MAX_LOGITS_MB": "256"}, (0, 19, 0), Environment(score_mib=256)),
        ({CHARGE: "", "HF_TOKEN": "hf_x", "NCCL_DEBUG": "INFO"}, (0, 33, 0), Environment()),
    ],
)
def test_a_variable_decides_in_the_releases_that_read_it(variables, version, decided):
    assert decided_by(variables, version) == decided


@pytest.mark.parametrize("text", ["maybe", "1.5", "9" * 20])
def test_what_vllm_cannot_read_is_refused_by_name(text):
    with pytest.raises(InputError, match=CHARGE):
        decided_by({CHARGE: text}, (0, 33, 0))


def test_what_is_taken_from_a_process_is_what_decides_and_no_secret():
    process = {"HF_TOKEN": "hf_x", "VLLM_API_KEY": "sk-x", CHARGE: "0", "VLLM_MLA_DISABLE": "1", "PATH": "/bin"}
    assert deciding(process) == {CHARGE: "0", "VLLM_MLA_DISABLE": "1"}
