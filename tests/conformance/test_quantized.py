"""Small models × quantization blocks × GPUs, asked of vLLM 0.33.0's GPU wheel on the meta device (`quantized.json`).

Each answer is the bytes of parameters and buffers of the first rank, or null where vLLM refuses. The models are real ones
with few layers; the blocks are spelt as quantizers spell them, with ignore lists in the checkpoint's names.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import vram
from vram.errors import VramError

RECORD = json.loads((Path(__file__).parent / "quantized.json").read_text())
GPUS = {"h100": "H100", "a100": "A100", "b200": "B200", "l40s": "L40S", "t4": "T4", "5090": "RTX 5090"}
#: checks by which this program says that a format does not start
FORMAT_CHECKS = ("quantization", "dtype", "kv_cache_dtype")
BLOCKS_AT_ONCE = (
    "a tower's blocks are one module here, so that a list that names one of them means all: too much, never too little"
)
#: base and block: why the bytes differ
DIFFERENT = {
    ("glm4v", "hffp8"): BLOCKS_AT_ONCE,
    ("glm4v", "hfmo"): BLOCKS_AT_ONCE,
    ("glm4v", "hffp8d"): BLOCKS_AT_ONCE,
    ("mistral3", "hffp8"): BLOCKS_AT_ONCE,
    ("mistral3", "hffp8d"): BLOCKS_AT_ONCE,
    ("aria", "hffp8"): "vLLM asks about names that its own mapper never gives, and finds no entry",
    ("aria", "hffp8d"): "vLLM asks about names that its own mapper never gives, and finds no entry",
    ("gptoss", "hfmo"): "experts' biases, which vLLM forgets to create under fp8 and could not load",
    ("k25", "hfmo"): "scales of a projector that is cast to the model's dtype: 8 bytes",
    ("k25", "hffp8d"): "scales of a projector that is cast to the model's dtype: 4 bytes",
}


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the models lie."""
    return tmp_path_factory.mktemp("quantized")


def model(folders: Path, base: str, block: str) -> Path:
    """The folder of one model with one block."""
    folder = folders / f"{base}-{block}"
    if not folder.exists():
        folder.mkdir()
        config = {**RECORD["bases"][base], "quantization_config": RECORD["blocks"][block]}
        if "in_text" in RECORD["blocks"][block]:  # the block stands in the language model's section
            config = dict(RECORD["bases"][base])
            config["text_config"] = {**config["text_config"], "quantization_config": RECORD["blocks"][block]["in_text"]}
        (folder / "config.json").write_text(json.dumps(config))
    return folder


def answered(path: Path, gpu: str, tp: int, args: dict[str, Any]) -> int | None:
    """Bytes of the first rank's parameters, None where the answer is that vLLM would not start."""
    try:
        found = vram.estimate(path, gpu=GPUS[gpu], tensor_parallel_size=tp, vllm_version=RECORD["vllm"], **args)
    except VramError:
        return None
    failed = [check for check in found.verdict.checks if not check.passed and check.name in FORMAT_CHECKS]
    return None if failed else found.ranks[0].parameter_bytes


@pytest.mark.parametrize("base", sorted(RECORD["bases"]))
def test_bytes_and_refusals_are_vllms(base: str, folders: Path) -> None:
    wrong = []
    for name, block, gpu, tp, args, expected in RECORD["answers"]:
        if name != base:
            continue
        got = answered(model(folders, base, block), gpu, tp, args)
        if got == expected:
            assert (base, block) not in DIFFERENT, f"{base} {block} no longer differs: take it off the list"
        elif (base, block) not in DIFFERENT or got is None or abs(got / expected - 1) > 0.003:
            wrong.append(f"{block} on {tp} × {gpu} {args}: {got}, vLLM {expected}")
    assert not wrong, "\n".join(wrong)
