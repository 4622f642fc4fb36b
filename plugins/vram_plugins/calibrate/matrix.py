"""What `vram calibrate` starts: small models with made-up weights, each varying one cause of overhead.

A cause shows in the difference between two trials: vocabulary and `max_num_seqs` move the sampler's part,
`max_num_batched_tokens` the forward's, the number of layers and of capture sizes the CUDA graphs', experts their
workspace, tensor parallelism the communicators'. Sizes are large enough to stand out of the allocator's 2 MiB segments
and small enough for a GPU of 8 GB.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vram.models.record import field, frozen

_LLAMA: Mapping[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "torch_dtype": "bfloat16",
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "num_hidden_layers": 6,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-05,
    "rope_theta": 500000.0,
    "max_position_embeddings": 8192,
    "vocab_size": 32000,
    "tie_word_embeddings": False,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_MIXTRAL: Mapping[str, Any] = {
    **_LLAMA,
    "architectures": ["MixtralForCausalLM"],
    "model_type": "mixtral",
    "intermediate_size": 1024,
    "num_local_experts": 16,
    "num_experts_per_tok": 4,
}
_LARGE_VOCABULARY = 152064
_START_SECONDS = 45  # loading libraries, the profile run and shutting down
_GRAPH_SECONDS = 50  # compiling and capturing on top


@frozen(kw_only=True)
class Trial:
    """One start of vLLM: a model's config and the engine arguments, and what it is there to show."""

    name: str
    shows: str
    config: Mapping[str, Any] = field(repr=False)
    max_num_seqs: int = 256
    max_num_batched_tokens: int = 2048
    max_model_len: int = 4096
    enforce_eager: bool = False
    tensor_parallel_size: int = 1

    @property
    def seconds(self) -> int:
        """About how long it takes."""
        return _START_SECONDS + (0 if self.enforce_eager else _GRAPH_SECONDS) + 15 * (self.tensor_parallel_size > 1)

    @property
    def engine_args(self) -> dict[str, Any]:
        """Engine arguments under vLLM's names."""
        return {
            "max_num_seqs": self.max_num_seqs,
            "max_num_batched_tokens": self.max_num_batched_tokens,
            "max_model_len": self.max_model_len,
            "enforce_eager": self.enforce_eager,
            "tensor_parallel_size": self.tensor_parallel_size,
            "dtype": str(self.config["torch_dtype"]),
        }


def trials(gpus: int, *, capability: tuple[int, int] = (8, 0)) -> tuple[Trial, ...]:
    """The matrix for so many GPUs of one machine, the quickest first. Below compute capability 8.0 in float16."""
    llama = {**_LLAMA, "torch_dtype": "bfloat16" if capability >= (8, 0) else "float16"}
    mixtral = {**_MIXTRAL, "torch_dtype": llama["torch_dtype"]}
    wide = {**llama, "vocab_size": _LARGE_VOCABULARY}
    found = [
        Trial(name="eager", shows="the profile run alone", config=llama, enforce_eager=True),
        Trial(name="eager-vocab", shows="sampling, by vocabulary", config=wide, enforce_eager=True),
        Trial(
            name="eager-seqs",
            shows="sampling, by sequences",
            config=wide,
            max_num_seqs=1024,
            enforce_eager=True,
        ),
        Trial(
            name="eager-tokens",
            shows="the forward, by tokens",
            config=llama,
            max_num_seqs=16,
            max_num_batched_tokens=16384,
            enforce_eager=True,
        ),
        Trial(
            name="eager-experts",
            shows="workspace of experts",
            config=mixtral,
            max_num_seqs=16,
            max_num_batched_tokens=8192,
            enforce_eager=True,
        ),
        Trial(name="graphs", shows="CUDA graphs", config=llama),
        Trial(name="graphs-few", shows="CUDA graphs, by sizes", config=llama, max_num_seqs=8),
        Trial(name="graphs-deep", shows="CUDA graphs, by layers", config={**llama, "num_hidden_layers": 24}),
        Trial(name="graphs-tokens", shows="a compiled forward", config=llama, max_num_batched_tokens=16384),
    ]
    for size in (2, 4, 8):
        if size <= gpus:
            shows = f"{size} GPUs together"
            found.append(Trial(name=f"tp{size}", shows=shows, config=llama, tensor_parallel_size=size))
    return tuple(found)
