"""Questions of programs beside the library's own calls: what is answered, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import vram
from vram.checkpoint import list_catalog, manual_checkpoint
from vram.models.deployment import Policy
from vram_plugins.check.checking import check

QWEN = "Qwen/Qwen3-8B"
LLAMA = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16", "hidden_size": 4096,
    "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336,
    "vocab_size": 128256, "max_position_embeddings": 8192, "rope_theta": 500000.0,
}  # fmt: skip
#: a start as vLLM 0.11 prints it, on a GPU of 80 GB, with what this program predicts for it but for the pool
LOG = """\
INFO 11-02 10:00:00 [api_server.py:1839] vLLM API server version 0.11.0
INFO 11-02 10:00:01 [utils.py:233] non-default args: {'model_tag': 'Qwen/Qwen3-8B', 'model': 'Qwen/Qwen3-8B', 'max_model_len': 16384}
INFO 11-02 10:00:20 [gpu_model_runner.py:2602] Model loading took 15.2683 GiB and 4.1 seconds
INFO 11-02 10:01:00 [gpu_worker.py:298] Available KV cache memory: 54.20 GiB
INFO 11-02 10:01:01 [kv_cache_utils.py:1087] GPU KV cache size: 394,656 tokens
INFO 11-02 10:01:01 [kv_cache_utils.py:1091] Maximum concurrency for 16,384 tokens per request: 24.09x
INFO 11-02 10:01:20 [launcher.py:42] Application startup complete.
"""
COMPOSE = """\
services:
  llm:
    image: vllm/vllm-openai:v0.11.0
    command: --model Qwen/Qwen3-8B --max-model-len 8192
"""
SCRIPT = "vllm serve Qwen/Qwen3-32B --tensor-parallel-size 2 --max-model-len 32k\n"


NGRAM = {"method": "ngram", "num_speculative_tokens": 3}
TARGETS: dict[str, Any] = {"ttft_ms": 2000, "requests_per_second": 3, "percentile": 95}
PRICES = {"H100": 2.49, "L40S": 0.86}


class Asked(NamedTuple):
    """A question, and the library's own call."""

    operation: str
    question: dict[str, Any]
    library: Callable[[], Any]

    @property
    def name(self) -> str:
        return f"{self.operation} {json.dumps(self.question)[:60]}"


def in_file(text: str, name: str, read: Callable[[Path], Any]) -> Any:
    """What the library says of a file of that content."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_text(text)
        return read(path)


def _config() -> dict[str, Any]:
    found = in_file(json.dumps(LLAMA), "config.json", lambda path: vram.estimate(path, gpu="A100 80GB").to_dict())
    found["model"]["id"] = "config.json"
    return found


def _log(**given: Any) -> dict[str, Any]:
    found = in_file(LOG, "vllm.log", lambda path: vram.reconcile(path, **given).to_dict())
    found["log"]["path"] = "log"
    return found


def _checked(files: dict[str, str], **asked: Any) -> list[dict[str, Any]]:
    with TemporaryDirectory() as folder:
        top = Path(folder).resolve()
        for name, text in files.items():
            (top / name).write_text(text)
        found = [one.to_dict() for one in check([top], **asked).findings]
    return [{**one, "file": Path(one["file"]).name} for one in found]


def _estimate(model: Any = QWEN, **arguments: Any) -> dict[str, Any]:
    return vram.estimate(model, **arguments).to_dict()


def _with_limit(name: str, **arguments: Any) -> dict[str, Any]:
    value = {"max_context_at_concurrency": vram.max_context, "max_concurrency_at_context": vram.max_concurrency}[name](
        QWEN, **arguments
    )
    return {name: value, "estimate": _estimate(**arguments)}


ANSWERED = [
    Asked("estimate", {"model": QWEN, "gpu": "H100"}, lambda: _estimate(gpu="H100")),
    Asked("estimate", {"model": QWEN, "gpu": "RTX 4090", "max_model_len": 40960, "concurrency": 8},
          lambda: _estimate(gpu="RTX 4090", max_model_len=40960, concurrency=8)),
    Asked("estimate", {"model": "meta-llama/Llama-3.3-70B-Instruct", "gpu": "H100", "gpus": 4, "vllm_version": "0.11.0"},
          lambda: _estimate("meta-llama/Llama-3.3-70B-Instruct", gpu="H100", gpus=4, vllm_version="0.11.0")),
    Asked("estimate", {"model": "deepseek-ai/DeepSeek-V3", "gpu": "H200", "tensor_parallel_size": 8, "enable_expert_parallel": True},
          lambda: _estimate("deepseek-ai/DeepSeek-V3", gpu="H200", tensor_parallel_size=8, enable_expert_parallel=True)),
    Asked("estimate", {"model": QWEN, "gpu": "L40S", "headroom_gib": 3, "used_gib": 1.5, "profile": "generic"},
          lambda: _estimate(gpu="L40S", policy=Policy(headroom_gib=3), used_gib=1.5, profile="generic")),
    Asked("estimate", {"model": QWEN, "gpu": "H100", "speculative_config": NGRAM, "block_size": 32},
          lambda: _estimate(gpu="H100", speculative_config=NGRAM, block_size=32)),
    Asked("estimate", {"params_billion": 8, "layers": 36, "kv_heads": 8, "head_dim": 128, "gpu_memory_gib": 24},
          lambda: _estimate(manual_checkpoint(params_billion=8, layers=36, kv_heads=8, head_dim=128), gpu_memory_gib=24)),
    Asked("estimate", {"config": LLAMA, "gpu": "A100 80GB"}, _config),
    Asked("estimate", {"command": "vllm serve Qwen/Qwen3-8B --tensor-parallel-size 2 --max-model-len 16k", "gpu": "L4"},
          lambda: _estimate(gpu="L4", tensor_parallel_size=2, max_model_len=16000)),
    Asked("estimate", {"model": "Qwen/Qwen3-32B", "gpu": "RTX 4090"}, lambda: _estimate("Qwen/Qwen3-32B", gpu="RTX 4090")),
    Asked("max-context", {"model": QWEN, "gpu": "RTX 4090", "concurrency": 4},
          lambda: _with_limit("max_context_at_concurrency", gpu="RTX 4090", concurrency=4)),
    Asked("max-concurrency", {"model": QWEN, "gpu": "RTX 4090", "max_model_len": 8192},
          lambda: _with_limit("max_concurrency_at_context", gpu="RTX 4090", max_model_len=8192)),
    Asked("plan", {"model": "Qwen/Qwen3-32B", "gpu": "L40S", "prompt_tokens": 4000, "gen_tokens": 500, "concurrency": 8},
          lambda: vram.plan("Qwen/Qwen3-32B", gpu="L40S", prompt_tokens=4000, gen_tokens=500, concurrency=8).to_dict()),
    Asked("plan", {"model": QWEN, "gpu": "L40S", **TARGETS, "lengths": [[900, 100], [3000, 400]]},
          lambda: vram.plan(QWEN, gpu="L40S", **TARGETS, lengths=((900, 100), (3000, 400))).to_dict()),
    Asked("plan", {"model": "deepseek-ai/DeepSeek-V3", "gpu": "L4", "gpus": 2},
          lambda: vram.plan("deepseek-ai/DeepSeek-V3", gpu="L4", gpus=2).to_dict()),
    Asked("compare", {"model": QWEN, "gpus": ["H100", "L40S"], "counts": [1, 2], "prices": PRICES, "max_model_len": 8192},
          lambda: vram.compare(QWEN, gpus=["H100", "L40S"], counts=[1, 2], prices=PRICES, max_model_len=8192).to_dict()),
    Asked("compare", {"model": QWEN, "gpus": ["H100", "L40S"], "tpot_ms": 30, "concurrency": 20, "max_model_len": 8192},
          lambda: vram.compare(QWEN, gpus=["H100", "L40S"], tpot_ms=30, concurrency=20, max_model_len=8192).to_dict()),
    Asked("compare", {"models": [QWEN, "nobody/nothing"], "gpus": ["H100"], "kv_cache_dtypes": ["auto", "fp8"]},
          lambda: vram.compare([QWEN, "nobody/nothing"], gpus=["H100"], kv_cache_dtypes=["auto", "fp8"]).to_dict()),
    Asked("check", {"files": [{"name": "compose.yaml", "text": COMPOSE}, {"name": "serve.sh", "text": SCRIPT}], "gpu": ["H100"]},
          lambda: _checked({"compose.yaml": COMPOSE, "serve.sh": SCRIPT}, gpu=["H100"])),
    Asked("reconcile", {"log": LOG, "gpu": "H100"}, lambda: _log(gpu="H100")),
    Asked("reconcile", {"log": LOG}, _log),
    Asked("models", {"search": "qwen3-8b"},
          lambda: [{name: getattr(one, name) for name in ("id", "shape", "architecture", "parameters", "stored_bytes", "quantization")}
                   for one in list_catalog() if "qwen3-8b" in one.id.lower()]),
    Asked("gpus", {"search": "rtx 4090"}, lambda: _gpus("RTX 4090", "RTX 4090 Laptop")),
]  # fmt: skip


def _gpus(*_: str) -> list[dict[str, Any]]:
    from vram.gpus import all_gpus
    from vram.plugin import plugins
    from vram_plugins.profiles.facts import gpu_to_dict

    found = [
        gpu
        for gpu in all_gpus(plugins().profiles)
        if any("rtx 4090" in name.lower() for name in (gpu.name, *gpu.aliases))
    ]
    return [gpu_to_dict(gpu) for gpu in found]


#: refused by the library, with its own sentence
REFUSED = [
    Asked("estimate", {"model": QWEN, "gpu": "Voodoo 3"}, lambda: _estimate(gpu="Voodoo 3")),
    Asked("estimate", {"model": "nobody/nothing", "gpu": "H100"}, lambda: _estimate("nobody/nothing", gpu="H100")),
    Asked("estimate", {"model": QWEN, "gpu": "H100", "tensor_parallel_size": 3}, lambda: _estimate(gpu="H100", tensor_parallel_size=3)),
    Asked("estimate", {"model": QWEN, "gpu": "H100", "vllm_version": "one"}, lambda: _estimate(gpu="H100", vllm_version="one")),
    Asked("plan", {"model": QWEN, "gpu": "H100", "batching_mode": "balanced", "concurrency": 0},
          lambda: vram.plan(QWEN, gpu="H100", batching_mode="balanced", concurrency=0)),
    Asked("compare", {"model": QWEN, "gpus": ["H100"], "prices": {"H100": -1}},
          lambda: vram.compare(QWEN, gpus=["H100"], prices={"H100": -1})),
]  # fmt: skip

#: refused before the library is asked: the question, the field, and a part of the sentence
UNCLEAR: list[tuple[str, Any, str, str]] = [
    ("estimate", [], "question", "must be a JSON object"),
    ("estimate", {"model": QWEN, "gpuu": "H100"}, "gpuu", "Unknown field 'gpuu'. Did you mean gpu"),
    ("estimate", {"model": QWEN, "gpu": "H100", "tensor_parallel_size": "2"}, "tensor_parallel_size", "must be a whole number (got '2')"),
    ("estimate", {"model": QWEN, "gpu": "H100", "tensor_parallel_size": True}, "tensor_parallel_size", "must be a whole number (got True)"),
    ("estimate", {"model": QWEN, "gpu": "H100", "enforce_eager": 1}, "enforce_eager", "must be true or false"),
    ("estimate", {"model": 8, "gpu": "H100"}, "model", "must be text"),
    ("estimate", {"gpu": "H100"}, "model", "give a Hub id"),
    ("estimate", {"model": QWEN, "config": LLAMA, "gpu": "H100"}, "config", "stands in place of model"),
    ("estimate", {"model": QWEN, "layers": 3, "gpu": "H100"}, "layers", "is for dimensions by hand"),
    ("estimate", {"command": "vllm serve", "gpu": "H100"}, "command", "names no model"),
    ("estimate", {"model": QWEN, "trust_remote_code": True}, "trust_remote_code", "Unknown field"),
    ("estimate", {"model": QWEN, "ask_vllm": "/bin/sh"}, "ask_vllm", "Unknown field"),
    ("compare", {"model": QWEN, "models": [QWEN]}, "models", "give one of model, models and config"),
    ("compare", {"model": QWEN, "counts": list(range(1, 30))}, "counts", "must have from 1 to 16 entries"),
    ("compare", {"models": [QWEN] * 16, "counts": [1] * 16, "quantizations": ["none"] * 16}, "compare", "rows, more than"),
    ("plan", {"model": QWEN, "gpu": "L4", "pipeline_parallel_size": 10**6}, "gpus", "must be 128 at most here"),
    ("plan", {"model": QWEN, "gpu": "1000x L4"}, "gpus", "must be 128 at most here"),
    ("plan", {"model": QWEN, "gpu": "H100", "batching_mode": "fast"}, "batching_mode", "must be throughput, latency, balanced"),
    ("check", {"gpu": ["H100"]}, "files", "paste files"),
    ("check", {"files": [{"name": "../../etc/cron.d/x", "text": ""}]}, "files.name", "must be a name such as"),
    ("check", {"files": [{"name": "a.sh", "text": ""}, {"name": "./a.sh", "text": ""}]}, "files.name", "is there twice"),
    ("check", {"files": [{"name": "a.sh", "text": SCRIPT * 600}], "gpu": ["H100"]}, "files", "at most 512 answers"),
    ("reconcile", {"log": "", "path": "x"}, "log", "one of both"),
    ("reconcile", {"log": LOG, "save": "mine"}, "save", "Unknown field"),
]  # fmt: skip
