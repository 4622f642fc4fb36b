"""A GGUF file's metadata as the config.json its model would have, for the architectures where that is simple.

Keys are those of gguf-py's constants (`Keys.LLM`, `Keys.Attention`); names of tensors those of its
`tensor_mapping`. Architectures not listed here need facts that GGUF spells in its own way, and are refused.
"""

from __future__ import annotations

import re

from vram.errors import CheckpointError
from vram.models.record import frozen
from vram_plugins.gguf.header import GgufArray, GgufHeader, GgufValue


@frozen(kw_only=True)
class _Family:
    """How one GGUF architecture is called in transformers. `moe` is its name with experts."""

    architecture: str
    model_type: str
    moe: str = ""
    experts_field: str = "num_experts"
    expert_width_field: str = "moe_intermediate_size"


_MIXTRAL = {"moe": "MixtralForCausalLM", "experts_field": "num_local_experts", "expert_width_field": ""}
_FAMILIES = {
    "llama": _Family(architecture="LlamaForCausalLM", model_type="llama", **_MIXTRAL),
    "qwen2": _Family(architecture="Qwen2ForCausalLM", model_type="qwen2"),
    "qwen2moe": _Family(architecture="", model_type="qwen2_moe", moe="Qwen2MoeForCausalLM"),
    "qwen3": _Family(architecture="Qwen3ForCausalLM", model_type="qwen3"),
    "qwen3moe": _Family(architecture="", model_type="qwen3_moe", moe="Qwen3MoeForCausalLM"),
    "gemma": _Family(architecture="GemmaForCausalLM", model_type="gemma"),
    "gemma2": _Family(architecture="Gemma2ForCausalLM", model_type="gemma2"),
    "gemma3": _Family(architecture="Gemma3ForCausalLM", model_type="gemma3_text"),
    "phi3": _Family(architecture="Phi3ForCausalLM", model_type="phi3"),
    "command-r": _Family(architecture="CohereForCausalLM", model_type="cohere"),
    "starcoder2": _Family(architecture="Starcoder2ForCausalLM", model_type="starcoder2"),
    "olmo2": _Family(architecture="Olmo2ForCausalLM", model_type="olmo2"),
    "granite": _Family(architecture="GraniteForCausalLM", model_type="granite"),
}

#: config field: GGUF keys without the architecture's prefix, the first present wins
_FIELDS = {
    "hidden_size": ("embedding_length",),
    "num_hidden_layers": ("block_count",),
    "intermediate_size": ("feed_forward_length",),
    "num_attention_heads": ("attention.head_count",),
    "num_key_value_heads": ("attention.head_count_kv", "attention.head_count"),
    "head_dim": ("attention.key_length",),
    "max_position_embeddings": ("context_length",),
    "rms_norm_eps": ("attention.layer_norm_rms_epsilon",),
    "rope_theta": ("rope.freq_base",),
    "sliding_window": ("attention.sliding_window",),
}
_EXPERT_FIELDS = {
    "num_experts_per_tok": ("expert_used_count",),
    "shared_expert_intermediate_size": ("expert_shared_feed_forward_length",),
}

#: tensor names inside "blk.N." by the module they are in transformers' Llama-like models
_MODULES = {
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_qkv": "self_attn.qkv_proj", "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj", "ffn_gate_inp": "mlp.gate",
    "ffn_gate_exps": "mlp.experts.gate_proj", "ffn_up_exps": "mlp.experts.up_proj",
    "ffn_down_exps": "mlp.experts.down_proj", "ffn_gate_shexp": "mlp.shared_expert.gate_proj",
    "ffn_up_shexp": "mlp.shared_expert.up_proj", "ffn_down_shexp": "mlp.shared_expert.down_proj",
}  # fmt: skip
_BLOCK = re.compile(r"blk\.(\d+)\.(\w+)\.weight")


def config_fields(header: GgufHeader, path: str) -> dict[str, object]:
    """The fields of a config.json. Raises CheckpointError for an architecture that is not simple."""
    gguf_name = header.metadata.get("general.architecture")
    family = _FAMILIES.get(gguf_name) if isinstance(gguf_name, str) else None
    experts = _first(header, f"{gguf_name}.", ("expert_count",)) or 0
    architecture = "" if family is None else (family.moe if experts else family.architecture)
    if family is None or not architecture:
        problem = f"holds GGUF architecture {str(gguf_name)[:40]!r}, whose dimensions are not known here"
        raise CheckpointError(path=path, problem=f"{problem}; give the original model's id or config.json instead")
    shapes = {tensor.name: tensor.shape for tensor in header.tensors}
    if len(shapes.get("token_embd.weight", ())) != len(("vocabulary", "width")):
        raise CheckpointError(
            path=path, problem="has no token_embd.weight of two dimensions and so is no whole language model"
        )
    config: dict[str, object] = {"architectures": [architecture], "model_type": family.model_type}
    for name, keys in _FIELDS.items():
        value = _first(header, f"{gguf_name}.", keys)
        if value is not None:
            config[name] = _uniform(value, name, path)
    config["vocab_size"] = shapes["token_embd.weight"][0]
    config["tie_word_embeddings"] = "output.weight" not in shapes
    config["attention_bias"] = "blk.0.attn_q.bias" in shapes
    if experts:
        config |= _expert_fields(header, f"{gguf_name}.", family, experts)
    return config


def tensor_types(header: GgufHeader) -> dict[str, str]:
    """The ggml type of each matrix, by the module's name in transformers ("model.layers.0.mlp.up_proj")."""
    types: dict[str, str] = {}
    for tensor in header.tensors:
        if len(tensor.shape) < len(("rows", "columns")):
            continue
        block = _BLOCK.fullmatch(tensor.name)
        if block:
            types[f"model.layers.{block[1]}.{_MODULES.get(block[2], block[2])}"] = tensor.dtype
        elif tensor.name == "token_embd.weight":
            types["model.embed_tokens"] = tensor.dtype
        elif tensor.name == "output.weight":
            types["lm_head"] = tensor.dtype
        else:
            types[tensor.name.removesuffix(".weight")] = tensor.dtype
    return types


def _first(header: GgufHeader, prefix: str, keys: tuple[str, ...]) -> GgufValue | None:
    return next((header.metadata[prefix + key] for key in keys if prefix + key in header.metadata), None)


def _uniform(value: GgufValue, name: str, path: str) -> object:
    """A value given per layer, where all layers agree."""
    if isinstance(value, GgufArray):
        raise CheckpointError(path=path, problem=f"gives {name} as a list of {value.length:,}")
    if isinstance(value, tuple):
        if len(set(value)) != 1:
            raise CheckpointError(path=path, problem=f"gives a different {name} per layer, which is not read here")
        return value[0]
    return value


def _expert_fields(header: GgufHeader, prefix: str, family: _Family, experts: GgufValue) -> dict[str, object]:
    fields: dict[str, object] = {family.experts_field: experts}
    for name, keys in _EXPERT_FIELDS.items():
        value = _first(header, prefix, keys)
        if value is not None:
            fields[name] = value
    width = _first(header, prefix, ("expert_feed_forward_length",))
    if family.expert_width_field and width is not None:
        fields[family.expert_width_field] = width
    return fields
