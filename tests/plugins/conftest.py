"""Logs in the form vLLM writes them, built from facts that the tests state."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

#: vLLM 0.11.2 on an A100 40GB (39.49 GiB): a public start-up's numbers, the lines built from them
A100 = """\
(APIServer pid=1) INFO 12-15 19:05:20 [api_server.py:1977] vLLM API server version 0.11.2
(APIServer pid=1) INFO 12-15 19:05:20 [utils.py:253] non-default args: {{'model_tag': '{model}', 'api_key': ['s3cret'], \
'model': '{model}', 'max_model_len': 4096, 'kv_transfer_config': KVTransferConfig(kv_connector='X', engine_id='1')}}
(APIServer pid=1) INFO 12-15 19:05:25 [model.py:1543] Using max model len 4096
(APIServer pid=1) INFO 12-15 19:05:25 [scheduler.py:226] Chunked prefill is enabled with max_num_batched_tokens=2048.
(EngineCore_DP0 pid=9) INFO 12-15 19:05:55 [core.py:93] Initializing a V1 LLM engine (v0.11.2) with config: \
model='{model}', speculative_config=None, tokenizer='{model}', dtype=torch.bfloat16, max_seq_len=4096, \
tensor_parallel_size=1, pipeline_parallel_size=1, quantization=None, enforce_eager=False, kv_cache_dtype=auto, \
compilation_config={{'level': 3, 'mode': <CompilationMode.VLLM_COMPILE: 3>, 'sizes': [1, 2, 4]}}
(EngineCore_DP0 pid=9) INFO 12-15 19:05:55 [gpu_model_runner.py:2653] Model loading took 14.9889 GiB and 30.3 seconds
(EngineCore_DP0 pid=9) INFO 12-15 19:06:11 [gpu_worker.py:298] Available KV cache memory: 19.24 GiB
(EngineCore_DP0 pid=9) INFO 12-15 19:06:12 [kv_cache_utils.py:1087] GPU KV cache size: 157,584 tokens
(EngineCore_DP0 pid=9) INFO 12-15 19:06:12 [kv_cache_utils.py:1091] Maximum concurrency for 4,096 tokens per request: 38.47x
(EngineCore_DP0 pid=9) INFO 12-15 19:06:19 [gpu_model_runner.py:3480] Graph capturing finished in 8 secs, took 0.51 GiB
(EngineCore_DP0 pid=9) INFO 12-15 19:06:20 [core.py:250] init engine (profile, create kv cache, warmup model) took 24.1 seconds
"""


@pytest.fixture
def write_log(tmp_path: Path) -> Callable[[str | bytes], Path]:
    """A log file with that content."""

    def write(content: str | bytes) -> Path:
        path = tmp_path / "vllm.log"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.fixture
def a100_log(model_folder: Callable[..., Path]) -> str:
    """The public start-up, of a model that is here."""
    return A100.format(model=model_folder(max_position_embeddings=131072))
