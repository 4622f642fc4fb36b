"""Which fields of a config.json the bundled catalog keeps: those that decide memory, by section of the model.

Facts of shape only: no texts, no token ids, no training settings. A field that an adapter or a scheme reads and
that is missing here is lost to catalog answers; `vram_plugins.catalog.refresh --check` compares.
"""

from __future__ import annotations

from collections.abc import Mapping

_WHAT = """
architectures model_type auto_map is_encoder_decoder is_decoder torch_dtype dtype tie_word_embeddings weight_tying
original_rope is_llama_config pooling_type num_labels
"""
_WIDTHS = """
hidden_size intermediate_size intermediate_size_mlp dense_intermediate_size d_model n_embd embed_dim embedding_size
ffn_dim ffn_hidden_size ff_intermediate_size ff_dim_multiplier n_inner word_embed_proj_dim mlp_ratio out_hidden_size
dim_model_base hidden_act hidden_activation activation_function mlp_hidden_act gegelu_pad_to_256
hidden_size_per_layer_input vocab_size_per_layer_input use_double_wide_mlp block_configs layernorm_type
emb_dim inner_hidden_size projection_dim
"""
_VOCABULARY = "vocab_size padded_vocab_size org_vocab_size max_target_positions num_codebooks"
_DEPTH = """
num_hidden_layers num_layers n_layer n_layers depth encoder_layers decoder_layers layer_types layers_block_type
attn_type_list hybrid_override_pattern hybrid_layer_pattern hybrid_layer_ids mlp_layer_types mlp_only_layers
num_nextn_predict_layers mtp_num_hidden_layers num_mtp_modules mtp_transformer_layers mtp_hybrid_override_pattern
mtp_layers_block_type mtp_use_dedicated_embeddings use_mtp attn_layer_offset attn_layer_period expert_layer_offset
expert_layer_period num_mem_blocks use_shared_attention_adapter adapter_rank num_kv_shared_layers
full_attention_interval full_attn_idxs interleave_moe_layer_step no_rope_layers no_rope_layer_interval
nope_layer_interval num_hash_layers hc_mult use_hybrid first_k_dense_replace moe_layer_freq decoder_sparse_step
moe_layers moe_layer_start_index moe_layer_end_index moe_layer_interval moe_layers_enum
norm_topk_prob route_norm norm_expert_weight scoring_func score_function score_func swiglu_limits
"""
_ATTENTION = """
num_attention_heads num_key_value_heads n_head n_heads n_head_kv num_heads num_kv_heads kv_channels head_dim
attention_head_dim attention_hidden_size num_attention_heads_per_layer num_global_key_value_heads global_head_dim
swa_head_dim swa_v_head_dim swa_num_attention_heads swa_num_key_value_heads attention_k_eq_v multi_query
multi_query_attention multi_query_group_num num_query_groups num_attention_groups new_decoder_architecture parallel_attn
attention_bias attention_out_bias qkv_bias add_qkv_bias use_qkv_bias use_bias bias no_bias enable_bias add_bias_linear
add_cross_attention encoder_attention_heads decoder_attention_heads encoder_ffn_dim decoder_ffn_dim
mlp_bias use_qk_norm qk_norm qk_layernorm qk_norm_type attn_output_gate attention_output_gate output_gate_type
gating gating_types q_lora_rank kv_lora_rank qk_nope_head_dim qk_rope_head_dim qk_head_dim v_head_dim o_lora_rank
o_groups index_head_dim index_n_heads index_topk index_topk_freq index_topk_pattern index_skip_topk_offset indexer_types
sparse_attention_config use_sparse_attention sparse_attention_freq sparse_block_size sparse_index_dim
sparse_num_index_heads sparse_topk_blocks sparse_disable_index_value compress_ratios latent_attention_config
latent_num_heads sliding_window sliding_window_size sliding_window_pattern _sliding_window_pattern
use_sliding_window max_window_layers attention_chunk_size swin_norm attention_other_setting use_head_wise_attn_gate
dense_attention_every_n_layers blocksparse_block_size blocksparse_num_local_blocks add_swa_attention_sink_bias
add_full_attention_sink_bias is_causal use_bidirectional_attention use_mla fused_qkv clip_qkv alibi
linear_conv_kernel_dim linear_key_head_dim linear_num_key_heads linear_num_value_heads linear_value_head_dim
linear_attn_config kda_layers full_attn_layers short_conv_kernel_size sandwich_norm post_layer_norm norm_after
lm_head_bias layer_norm_elementwise_affine parallel_residual use_parallel_residual
shared_layer_norm num_ln_in_parallel_attn
position_embedding_type relative_attention apply_residual_connection_post_layernorm do_layer_norm_before
"""
_EXPERTS = """
num_experts num_local_experts n_routed_experts n_shared_experts num_shared_experts num_experts_per_tok experts_per_token
moe_topk moe_top_k top_k_experts moe_num_experts moe_k moe_intermediate_size shared_expert_intermediate_size
moe_shared_expert_intermediate_size shared_intermediate_size share_expert_dim moe_latent_size expert_dtype
enable_moe_block use_routing_bias use_moe_router_bias topk_method topk_group n_group use_moe expert_intermediate_size
num_zero_experts zero_expert_num zero_expert_type moe_router_dtype router_bias moe_num_shared_experts moe_capacity
moe_shared_expert_gate use_shared_expert_gate parallel_attn_mlp_res
expert_ffn_hidden_size num_dense_layers num_experts_per_token routed_expert_hidden_size latent_moe_use_norm router_dtype
min_moe_intermediate_per_partition moe_router_enable_expert_bias use_expert_bias disable_quant_module
attn_res_block_size mla_use_output_gate ngram_vocab_size_ratio emb_split_num emb_neighbor_num
"""
_STATE = """
mamba_d_conv mamba_d_head mamba_d_ssm mamba_d_state mamba_dt_rank mamba_expand mamba_head_dim mamba_headdim
mamba_n_groups mamba_n_heads mamba_ngroups mamba_num_heads n_mamba_heads mamba_proj_bias mamba_conv_bias
mamba_chunk_size chunk_size mamba_rms_norm mamba_ssm_dtype mamba_ssm_cache_dtype mamba_step_rank conv_kernel
use_conv_bias ssm_state_size state_size time_step_rank expand n_groups conv_L_cache conv_bias conv_dim
conv_dim_out conv_use_xavier_init block_auto_adjust_ff_dim block_dim block_ff_dim block_multiple_of
block_ffn_dim_multiplier mamba_use_mlp lru_width conv1d_width attention_window_size block_types
attn_layer_indices attn_rotary_emb decoder_attention_types layer_group_size layer_scale linear_rope use_full_rank_gate
use_long_context use_mem_rope group_norm_size
"""
_POSITIONS = """
indexer_rope_interleave rope_interleave rope_interleaved
max_position_embeddings n_positions seq_length max_sequence_length max_seq_len model_max_length
original_max_position_embeddings initial_context_length max_source_positions rope_theta rope_pct rotary_pct rotary_dim
rotary_emb_base partial_rotary_factor rope_scaling rope_parameters rope_type type factor full_attention
sliding_attention mscale mscale_all_dim rope_local_base_freq swa_rope_theta local_rope_theta compress_rope_theta
mrope_section beta_fast beta_slow low_freq_factor high_freq_factor long_mscale short_mscale attention_factor alpha
type_vocab_size rope_ratio
"""
_SECTIONS = (
    "text_config llm_config language_config vision_config audio_config qformer_config siglip_config projector_config"
)
_TOWERS = """
patch_size image_size in_channels in_chans num_channels spatial_merge_size spatial_patch_size temporal_patch_size
merge_kernel_size num_position_embeddings position_embedding_size deepstack_visual_indexes fullatt_block_indexes
window_size pixel_shuffle_ratio downsample_ratio projector_input_dim projector_output_dim projector_hidden_size
vision_output_dim multi_modal_projector_bias multimodal_projector_bias projectors_bias mm_hidden_size mm_projector_type
mm_tokens_per_image vision_soft_tokens_per_image default_output_length image_token_id image_token_index video_token_id
audio_token_id vision_feature_layer vision_feature_select_strategy vision_tower mm_vision_tower drop_vision_last_layer
query_num num_query_tokens max_slice_nums scale_resolution slice_mode image_crop_resolution candidate_resolutions
image_grid_pinpoints num_img_tokens image_dim_out img_processor embd_layer projection_cls use_hd_transform
with_learnable_separator cross_attention_frequency encoder_hidden_size num_mel_bins init_pos_emb_height
init_pos_emb_width init_pos_emb_time text_hidden_size vt_hidden_size vt_intermediate_size vt_num_attention_heads
vt_num_hidden_layers heads layers width sam_vit_b clip-l-14-224 downsample_channels input_dim output_dim n_embed
projector_type pooling_kernel_size vision_use_head tokens_per_second encoder_config decoder_config model_name
vision_encoder video_attn_type standardize d_out intermediate_layers_indices ps_version select_layer downsample_factor
stack_factor projector_config_hidden use_clipped_linears global_attn_indexes tile_tag
"""

#: every field name kept, at any depth of the config
KEPT_FIELDS = frozenset(
    " ".join(
        (_WHAT, _WIDTHS, _VOCABULARY, _DEPTH, _ATTENTION, _EXPERTS, _STATE, _POSITIONS, _SECTIONS, _TOWERS)
    ).split()
)

#: kept whole: their keys are names of modules and settings, not of fields
_KEPT_WHOLE = frozenset({"auto_map", "block_configs"})

#: settings of a quantization block that say nothing about what is stored
_DROPPED_OF_QUANTIZATION = frozenset(
    """
    tokenizer dataset calibration cache_examples_on_gpu damp_percent damp_auto_increment model_name_or_path producer
    meta cache_block_outputs max_input_length batch_size model_file_base_name global_compression_ratio
    transformers_version exllama_config use_exllama disable_exllama use_cuda_fp16
    """.split()  # noqa: SIM905
)


def kept_fields(config: Mapping[str, object]) -> dict[str, object]:
    """A config (or one of its sections) without everything that does not decide memory.

    A null stays: `"sliding_window": null` is another model than one that leaves it to the default of its class.
    `quantization_config` is taken out.
    """
    kept: dict[str, object] = {}
    for name, value in config.items():
        if name not in KEPT_FIELDS:
            continue
        if isinstance(value, Mapping) and name not in _KEPT_WHOLE:
            inner = kept_fields(value)
            if inner:
                kept[name] = inner
        else:
            kept[name] = value
    labels = config.get("id2label")
    if isinstance(labels, Mapping) and labels and "num_labels" not in config:
        kept["num_labels"] = len(labels)  # how many is what decides a classifier's size
    return kept


def kept_quantization(block: Mapping[str, object]) -> dict[str, object]:
    """A quantization block without the settings of its calibration, and without a second copy of its ignore list."""
    twice = "exclude_modules" if block.get("ignore") == block.get("exclude_modules") else ""
    return {
        name: value
        for name, value in block.items()
        if name not in _DROPPED_OF_QUANTIZATION and name != twice and value is not None
    }
