"""Which fields of an unknown decoder's config are understood: the others may each be a size that nobody told us of.

A field counts for nothing where it says no (null, false, 0, 1, an empty list). Of the rest, fractions and most words decide
no memory; whole numbers, lists and sections do, unless they are among the names here. Those are the fields of
transformers' decoder configs (5.24) whose meaning every class shares.
"""

from __future__ import annotations

import re

from vram.models.config import ModelConfig

#: sizes that `vram.architecture.generic` counts with
_SIZES = (
    "hidden_size n_embd d_model num_hidden_layers n_layer n_layers num_layers num_attention_heads n_head n_heads "
    "num_key_value_heads num_kv_heads num_attention_groups n_head_kv head_dim intermediate_size n_inner ffn_dim "
    "ffn_hidden_size vocab_size padded_vocab_size max_position_embeddings n_positions n_ctx seq_length max_seq_len "
    "max_sequence_length layer_types sliding_window "
    "num_experts num_local_experts n_routed_experts moe_num_experts num_experts_per_tok moe_k moe_top_k moe_topk "
    "moe_intermediate_size num_shared_experts n_shared_experts moe_num_shared_experts num_shared_expert "
    "shared_expert_intermediate_size moe_shared_expert_intermediate_size shared_intermediate_size share_expert_dim "
    "first_k_dense_replace num_dense_layers moe_layer_freq decoder_sparse_step mlp_only_layers mlp_layer_types"
)
_COUNTED = frozenset(_SIZES.split())
#: what decides no memory: names, tokens, lengths, positions, scales, groups among which experts are chosen, training,
#: prediction layers (asked for apart)
_IDLE = re.compile(
    r"^(architectures|auto_map|id2label|label2id|quantization_config|num_labels|pruned_heads|task_specific_params)$"
    r"|token_ids?$|_tokens$|^(ep_size|pretraining_tp|n_group|topk_group|n_groups_topk|query_pre_attn_scalar)$"
    r"|(^|_)(rope|rotary|theta|eps|epsilon|scale|scaling|dropout|pdrop|coef|seed|temperature|version)(_|$)"
    r"|^(max|min|model_max|initial|original)_.*(length|position_embeddings?|context|positions)$"
    r"|^_?sliding_window_(pattern|size)$|^max_window_layers$|^no_rope_layer|^num_(nextn_predict_layers|mtp_modules)$"
)
#: kinds of attention, of state, of towers and of whole models that standard fields say nothing about, whatever the value
_OTHER_KINDS = re.compile(
    r"kv_lora_rank|(^|_)(mamba|ssm|rwkv|rnn|lru|kda|gdn|retention|recurrent)(_|$)|linear_(attn|attention|num|key|value|conv)"
    r"|(^|_)(conv_kernel|conv_l_cache|d_conv|d_state|state_size|state_dim|time_step|chunk_size)(_|$)|conv_L_cache"
    r"|index_topk|index_head|sparse_attention|compress_ratio|block_configs|per_layer|mova_|layers_block_type"
    r"|attn_layer_(period|offset|indices)|(^|_)(loop|loops|cycles|recurrence|recursion)(_|$)|num_ut_steps"
    r"|cross_attention|encoder_(layers|hidden|attention)|decoder_layers|is_encoder_decoder"
    r"|(vision|audio|speech|visual|vit|thinker|talker)_?(config|tower|encoder)|(text|llm|language)_config"
    r"|(attn|attention|output|query|head)_gate|gating|hyper_connection|n_?gram|use_residual|bidirectional"
    r"|(mlp|ffn|ff)_.*(ratio|mult|expan)|expansion|(^|_)(hybrid|memory|adapter|retrieval|lookup|codebooks?|canon)(_|$)|value_embed"
)
#: words that say which kind of layer, or where which kind stands; anything but these is one we do not know
_KIND = re.compile(
    r"(^|_)(attn|attention|mixer|layer|block|ffn|mlp|position_embedding)_(type|class|kind|mode)s?$|(pattern|layout|schedule)$"
)
_KNOWN_KINDS = frozenset(
    {"full", "full_attention", "gqa", "mha", "mqa", "softmax", "default", "mlp", "swiglu", "rope", "rotary"}
)


def unexplained(config: ModelConfig) -> str | None:
    """The first field that a plain decoder's standard fields do not explain, None where there is none."""
    return next((name for name, value in config.raw.items() if not _explained(name, value)), None)


def _explained(name: str, value: object) -> bool:
    if value is False and name in ("is_decoder", "is_causal"):
        return False  # an encoder
    if value in (None, False, 0, "", [], {}):
        return True
    if _OTHER_KINDS.search(name):
        return False
    if isinstance(value, str):
        return not _KIND.search(name) or bool(_IDLE.search(name)) or value.lower() in _KNOWN_KINDS
    if isinstance(value, bool | float) or value == 1:
        return True
    return name in _COUNTED or bool(_IDLE.search(name))
