"""A `params.json` (Mistral's own format) as the config.json of the same model.

Field by field as vLLM does it (`transformers_utils/configs/mistral.py:adapt_config_dict`, 0.33.0). Vision and audio
towers are written there in another shape and are refused; their repositories also carry a config.json.
"""

from __future__ import annotations

from collections.abc import Mapping

from vram.errors import CheckpointError

PARAMS_FILE = "params.json"

_RENAMED = {
    "dim": "hidden_size", "norm_eps": "rms_norm_eps", "n_kv_heads": "num_key_value_heads",
    "n_layers": "num_hidden_layers", "n_heads": "num_attention_heads", "hidden_dim": "intermediate_size",
    "activation": "hidden_act", "tied_embeddings": "tie_word_embeddings",
}  # fmt: skip
_KEPT = (
    "head_dim", "vocab_size", "rope_theta", "max_position_embeddings", "max_seq_len", "sliding_window", "dtype",
    "q_lora_rank", "kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim",
)  # fmt: skip
_EXPERTS = {
    "route_every_n": "moe_layer_freq", "first_k_dense_replace": "first_k_dense_replace",
    "num_experts_per_tok": "num_experts_per_tok", "num_experts": "n_routed_experts",
    "expert_hidden_dim": "moe_intermediate_size", "num_shared_experts": "n_shared_experts",
    "num_expert_groups": "n_group", "num_expert_groups_per_tok": "topk_group",
}  # fmt: skip
_TOWERS = ("vision_encoder", "multimodal", "audio_encoder")
_MAX_LAYERS = 10_000
_DEFAULT_CONTEXT = 128_000  # `_remap_general_mistral_args`


def config_fields(params: Mapping[str, object], path: str) -> dict[str, object]:
    """The fields of a config.json. Raises CheckpointError where towers or unknown quantization are inside."""
    for name in _TOWERS:
        if params.get(name):
            raise CheckpointError(path=path, problem=f"has a {name}, which is read from a config.json only")
    if params.get("dim") is None:
        raise CheckpointError(path=path, problem="has no field 'dim', so it is no Mistral model's")
    config: dict[str, object] = {new: params[old] for old, new in _RENAMED.items() if old in params}
    config |= {name: params[name] for name in _KEPT if name in params}
    config.setdefault("max_position_embeddings", params.get("max_seq_len") or _DEFAULT_CONTEXT)
    config["architectures"], config["model_type"] = ["MistralForCausalLM"], "mistral"
    experts = params.get("moe")
    if isinstance(experts, Mapping):
        config |= _expert_fields(experts)
    if isinstance(config.get("sliding_window"), list):
        config |= _window_fields(config, path)
    quantization = params.get("quantization")
    if quantization:
        config["quantization_config"] = _quantization(quantization, path)
    return config


def _expert_fields(experts: Mapping[str, object]) -> dict[str, object]:
    if experts.get("num_shared_experts"):
        fields = {new: experts[old] for old, new in _EXPERTS.items() if old in experts}
        return {**fields, "architectures": ["MistralLarge3ForCausalLM"], "model_type": "deepseek_v3"}
    fields = {"num_local_experts": experts.get("num_experts")}
    fields["num_experts_per_tok"] = experts.get("num_experts_per_tok")
    return {**fields, "architectures": ["MixtralForCausalLM"], "model_type": "mixtral"}


def _window_fields(config: Mapping[str, object], path: str) -> dict[str, object]:
    """A window per layer, repeated over the depth, as `layer_types` and one window."""
    listed, layers = config["sliding_window"], config.get("num_hidden_layers")
    windows = listed if isinstance(listed, list) else []
    sizes = {size for size in windows if isinstance(size, int)}
    pattern_of_one = windows and all(size is None or isinstance(size, int) for size in windows) and len(sizes) <= 1
    if not pattern_of_one or not isinstance(layers, int) or max(layers, len(windows)) > _MAX_LAYERS:
        raise CheckpointError(path=path, problem="has a sliding_window that is neither a number nor a pattern of one")
    pattern = windows * (layers // len(windows))
    kinds = ["full_attention" if size is None else "sliding_attention" for size in pattern]
    return {"layer_types": kinds, "sliding_window": next(iter(sizes), None)}


def _quantization(block: object, path: str) -> dict[str, object]:
    if isinstance(block, Mapping):
        if block.get("qformat_weight") == "fp8_e4m3":
            static = block.get("qscheme_act") != "NO_SCALES"
            return {"quant_method": "fp8", "activation_scheme": "static" if static else "dynamic"}
        if str(block.get("quant_method", "")).lower().replace("_", "-") == "compressed-tensors":
            return {**block, "quant_method": "compressed-tensors"}
    raise CheckpointError(path=path, problem=f"has the unknown quantization {str(block)[:60]!r}")
