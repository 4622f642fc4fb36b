"""From bytes to a model's config and a deployment: a real config with a few of its facts made strange.

Raw bytes as JSON would be refused at the first field; what breaks arithmetic is a config that is nearly right. The
bytes are a tape of choices, so that a coverage-guided fuzzer can learn which choices matter.
"""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

#: what fields of real and broken configs hold
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, 2, 3, 7, 8, 64, 127, 128, 4096, 131072, -1, -(2**31), 2**31, 2**53, 2**53 + 1, 2**63, 10**40,
    0.0, 0.5, 1.0, 1.5, -0.5, 1e-9, 1e18, 1e308, float("nan"), float("inf"), "", "auto", "none", "bfloat16", "float8_e4m3fn",
    "fp8", "int4", "silu", "full_attention", "sliding_attention", "linear_attention", "mamba",
    "x" * 300, "\ud800", "a.b.c", "re:.*", "re:(",
    [], [None], [0], [1, 1], [-1, 2], ["full_attention"], ["x", 1, {}], [[1, 2], [3]], [0.5] * 64, list(range(200)),
    {}, {"": None}, {"type": "yarn", "factor": 4.0}, {"rope_type": "llama3", "factor": "8"}, {"quant_method": "fp8"},
    {"quant_method": "gptq", "bits": 4, "group_size": 128}, {"quant_method": "awq", "bits": 4, "group_size": 0},
    {"quant_method": "compressed-tensors", "config_groups": {"group_0": {"targets": ["Linear"], "weights": {"num_bits": 4}}}},
    {"group_0": {"weights": {"num_bits": -4, "group_size": 2**40, "strategy": "group", "type": "int"}, "targets": 5}},
    {"num_attention_heads": 0, "hidden_size": 7}, {"hidden_size": 2**53}, {"layers": {"0": 1}},
)  # fmt: skip

#: fields that decide shapes: added to a config that lacks them
FIELDS = (
    "architectures", "model_type", "torch_dtype", "dtype", "hidden_size", "num_hidden_layers", "num_attention_heads",
    "num_key_value_heads", "head_dim", "intermediate_size", "vocab_size", "max_position_embeddings", "sliding_window",
    "layer_types", "rope_scaling", "rope_parameters", "tie_word_embeddings", "num_experts", "num_local_experts", "n_routed_experts",
    "moe_intermediate_size", "num_experts_per_tok", "first_k_dense_replace", "kv_lora_rank", "q_lora_rank", "qk_rope_head_dim",
    "text_config", "vision_config", "audio_config", "quantization_config", "compression_config",
    "num_nextn_predict_layers",
    "full_attention_interval",
    "mamba_d_state", "hybrid_override_pattern", "block_configs",
    "is_encoder_decoder", "use_bidirectional_attention",
)  # fmt: skip

GPUS = ("H100", "RTX 4090", "T4", "B200", "A100 80GB", "GH200", "L4", "V100")
SIZES = (1, 2, 3, 8, 16, 17, 64, 1024, 2**20, 2**40)
VERSIONS = (None, None, "0.6.0", "0.7.3", "0.9.2", "0.11.0", "0.14.1", "0.19.1", "0.23.0", "0.29.0", "0.33.0", "9.9.9")
KV_DTYPES = ("auto", "auto", "fp8", "fp8_e5m2", "bfloat16", "nvfp4", "int8_per_token_head", "turboquant_4bit_nc", "x")
QUANTIZATIONS = (
    None,
    None,
    None,
    "fp8",
    "awq",
    "gptq",
    "bitsandbytes",
    "mxfp4",
    "compressed-tensors",
    "experts_int8",
    "x",
)


class Tape:
    """Bytes read as choices; all zeros behind the end."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def number(self, below: int) -> int:
        """From 0 to `below` - 1."""
        width = 1 if below <= 256 else 2
        chunk = self._data[self._at : self._at + width].ljust(width, b"\0")
        self._at += width
        return int.from_bytes(chunk, "little") % below

    def choice(self, options: Any) -> Any:
        return options[self.number(len(options))]


@cache
def seeds() -> tuple[dict[str, Any], ...]:
    """The bundled catalog's configs, one per architecture and quantization method."""
    from vram.checkpoint.catalog import list_catalog

    found: dict[tuple[str, str | None], dict[str, Any]] = {}
    for model in list_catalog():
        config = dict(model.config)
        if model.quantization_block:
            config["quantization_config"] = dict(model.quantization_block)
        found.setdefault((model.architecture, model.quantization), config)
    return tuple(found.values())


@cache
def architectures() -> tuple[str, ...]:
    """Every architecture an adapter answers for, and one that none does."""
    from vram.plugin.manager import plugins

    return (*sorted(plugins().adapters), "NobodysForCausalLM")


def strange_config(tape: Tape) -> dict[str, Any]:
    """One of the seeds with up to six changes: a value, a field less, a field of another seed, another architecture."""
    config = copy.deepcopy(tape.choice(seeds()))
    for _ in range(tape.number(7)):
        target, name = _place(config, tape)
        match tape.number(8):
            case 0:
                target.pop(name, None)
            case 1:
                other = tape.choice(seeds())
                config.update(copy.deepcopy({name: other[name]} if name in other else {}))
            case 2:
                config["architectures"] = [tape.choice(architectures())]
            case 3:
                target[tape.choice(FIELDS)] = copy.deepcopy(tape.choice(VALUES))
            case 4 if isinstance(target.get(name), int) and not isinstance(target.get(name), bool):
                target[name] += tape.choice((-1, 1, -7, 64, 4096))
            case _:
                target[name] = copy.deepcopy(tape.choice(VALUES))
    return config


def _place(config: dict[str, Any], tape: Tape) -> tuple[dict[str, Any], str]:
    """A mapping of the config, at most four levels down, and one of its names."""
    at = config
    for _ in range(4):
        if not at:
            break
        name = tape.choice(sorted(at, key=str))
        inner = at[name]
        if not isinstance(inner, dict) or not tape.number(3):
            return at, name
        at = inner
    return at, tape.choice(FIELDS)


def strange_deployment(tape: Tape) -> dict[str, Any]:
    """Arguments of `vram.estimate`, most of them plain: three choices of five leave the defaults alone."""
    arguments: dict[str, Any] = {"gpu": tape.choice(GPUS)}
    if tape.number(5) < 3:
        return arguments
    arguments |= {
        "vllm_version": tape.choice(VERSIONS),
        "tensor_parallel_size": tape.choice(SIZES),
        "pipeline_parallel_size": tape.choice((1, 1, 1, *SIZES)),
        "data_parallel_size": tape.choice((1, 1, 1, *SIZES)),
        "enable_expert_parallel": bool(tape.number(2)),
        "kv_cache_dtype": tape.choice(KV_DTYPES),
        "quantization": tape.choice(QUANTIZATIONS),
        "max_model_len": tape.choice((None, None, -1, *SIZES)),
        "concurrency": tape.choice((1, 1, 1, *SIZES)),
        "block_size": tape.choice((None, None, *SIZES)),
        "enforce_eager": bool(tape.number(2)),
        "enable_lora": bool(tape.number(2)),
        "decode_context_parallel_size": tape.choice((1, 1, 1, *SIZES)),
        "speculative_config": tape.choice((
            None, None, None, {"method": "ngram", "num_speculative_tokens": 3}, {"num_speculative_tokens": -1},
            {"method": "mtp", "num_speculative_tokens": 2}, {"method": "eagle3", "model": "x"}, {"model": 5}, {"method": []},
        )),
        "limit_mm_per_prompt": tape.choice((None, None, {"image": 0}, {"image": 2**60, "video": "x"}, {"": {"count": -1}})),
        "language_model_only": bool(tape.number(2)),
    }  # fmt: skip
    return arguments
