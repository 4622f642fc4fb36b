"""A stand-in for a Python that has vLLM: a script that answers the probe, and as the child does what the test says."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

_SCRIPT = """#!{python}
import json, os, sys, time
if sys.argv[1] == "-c":
    print(json.dumps({{"origin": {origin!r}, "distributions": [["vllm", {version!r}]]}}))
    sys.exit()
with open({calls!r}, "a") as file:
    file.write("called\\n")
answers = os.fdopen(int(sys.argv[2]), "w")
request = json.loads(sys.stdin.readline())
def tell(answer):
    answers.write(json.dumps(answer) + "\\n")
    answers.flush()
BUILT, PLANNED = json.loads({built!r}), json.loads({planned!r})
{does}
"""
ANSWERS = """
tell({"built": BUILT})
pools = json.loads(sys.stdin.readline())["available_bytes"]
tell({"planned": PLANNED})
"""
#: one layer's cache of an 8-billion-parameter model, as vLLM 0.33.0 told it of Qwen3-8B
SPEC = {
    "classes": ["FullAttentionSpec", "AttentionSpec", "KVCacheSpec", "object"], "layers": 36, "first": "layers.0.attn",
    "block_size": 16, "page_bytes": 65536, "unpadded_bytes": 65536, "outermost": False,
    "fields": {"num_kv_heads": 8, "head_size": 128, "dtype": "bfloat16", "sliding_window": None},
    "mamba_cache_mode": "none", "needs": [[1, 1], [17, 2], [40960, 2560]],
}  # fmt: skip
BUILT: dict[str, Any] = {
    "vllm": "0.33.0", "dtype": "bfloat16", "max_model_len": 40960, "max_num_seqs": 1024, "max_num_batched_tokens": 8192,
    "block_size": 16, "kv_cache_dtype": "auto", "quantization": None, "backends": ["FLASH_ATTN"],
    "model": {"architecture": "NobodyKnowsForCausalLM", "hidden_size": 4096, "vocab_size": 151936, "num_attention_heads": 32,
              "num_layers": 36, "derived_max_model_len": 40960, "multimodal": False, "generates": True},
    "ranks": [{"parameter_bytes": 16391957056, "elements": 8195978384, "widest": 24576, "experts": None, "specs": [SPEC],
               "sizes": [[4, 144], [256, 72], [8192, 73], [10485760, 1], [33554432, 36], [50331648, 36], [100663296, 36],
                         [201326592, 36], [1244659712, 2]]}],
}  # fmt: skip


class FakePython:
    """The script, and how often it was called as the child."""

    def __init__(self, folder: Path) -> None:
        self.path, self._calls = folder / "python", folder / "calls"

    @property
    def calls(self) -> int:
        return len(self._calls.read_text().splitlines()) if self._calls.exists() else 0

    def write(
        self,
        does: str = ANSWERS,
        *,
        built: dict[str, Any] = BUILT,
        planned: dict[str, Any] | None = None,
        version: str = "0.33.0",
        origin: str | None = "/nowhere/vllm/__init__.py",
    ) -> str:
        told = json.dumps(planned or {})
        script = _SCRIPT.format(
            python=sys.executable, origin=origin, version=version, calls=str(self._calls), does=does,
            built=json.dumps(built), planned=told,
        )  # fmt: skip
        self.path.write_text(script)
        self.path.chmod(0o755)
        return str(self.path)
