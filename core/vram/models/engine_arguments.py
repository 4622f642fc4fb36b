"""The arguments of the library by name and type, for type checkers: `**arguments: Unpack[EstimateArguments]`.

Written by tests/docs/engine_arguments.py from `EngineArgs` and `serve_flags.txt`; `VRAM_UPDATE_DOCS=1 pytest tests/docs` writes it
anew. None is vLLM's default. Nothing of the program imports it while it runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import TypedDict

from vram.models.deployment import Policy


class EngineArguments(TypedDict, total=False):
    """vLLM's engine arguments under vLLM's names.

    The first are those that decide memory by a rule here. After them come vLLM's other flags, which change no number, or one that
    no rule here knows: the answer says so (`left_out`).
    """

    tensor_parallel_size: int | None
    pipeline_parallel_size: int | None
    data_parallel_size: int | None
    prefill_context_parallel_size: int | None
    decode_context_parallel_size: int | None
    enable_expert_parallel: bool | None
    moe_backend: str | None
    dtype: str | None
    quantization: str | None
    kv_cache_dtype: str | None
    max_model_len: int | None
    max_num_seqs: int | None
    max_num_batched_tokens: int | None
    gpu_memory_utilization: float | None
    kv_cache_memory_bytes: int | None
    num_gpu_blocks_override: int | None
    block_size: int | None
    attention_backend: str | None
    enforce_eager: bool | None
    compilation_config: Mapping[str, object] | None
    optimization_level: int | None
    performance_mode: str | None
    cpu_offload_gb: float | None
    offload_backend: str | None
    offload_group_size: int | None
    offload_num_in_group: int | None
    offload_prefetch_step: int | None
    enable_lora: bool | None
    max_loras: int | None
    max_lora_rank: int | None
    lora_dtype: str | None
    fully_sharded_loras: bool | None
    speculative_config: Mapping[str, object] | None
    limit_mm_per_prompt: Mapping[str, object] | None
    language_model_only: bool | None
    mm_encoder_tp_mode: str | None
    mm_processor_kwargs: Mapping[str, object] | None
    skip_mm_profiling: bool | None
    enable_chunked_prefill: bool | None
    async_scheduling: bool | None
    enable_prefix_caching: bool | None
    mamba_cache_dtype: str | None
    mamba_ssm_cache_dtype: str | None
    mamba_cache_mode: str | None
    mamba_block_size: int | None
    disable_hybrid_kv_cache_manager: bool | None
    disable_sliding_window: bool | None
    swap_space: float | None
    allow_deprecated_quantization: bool | None
    enable_sleep_mode: bool | None
    runner: str | None
    convert: str | None
    hf_overrides: Mapping[str, object] | None
    kv_cache_dtype_skip_layers: Sequence[str] | None
    enable_eplb: bool | None
    eplb_config: Mapping[str, object] | None
    disable_custom_all_reduce: bool | None
    environment: Mapping[str, str] | None
    additional_config: object
    aggregate_engine_logging: bool | None
    all2all_backend: object
    allow_credentials: bool | None
    allowed_headers: object
    allowed_local_media_path: object
    allowed_media_domains: object
    allowed_methods: object
    allowed_origins: object
    anthropic_disabled_thinking_effort: object
    api_key: object
    api_server_count: object
    attention_config: object
    aux_output_config: object
    calculate_kv_scales: bool | None
    chat_template: object
    chat_template_content_format: object
    code_revision: object
    cohere_format: object
    cohere_is_reasoning_model: bool | None
    collect_detailed_traces: object
    config_format: object
    cp_kv_cache_interleave_size: object
    cpu_distributed_timeout_seconds: object
    cpu_offload_params: object
    cuda_graph_sizes: object
    cudagraph_capture_sizes: object
    cudagraph_metrics: bool | None
    custom_histogram_buckets: object
    data_parallel_address: object
    data_parallel_backend: object
    data_parallel_external_lb: bool | None
    data_parallel_hybrid_lb: bool | None
    data_parallel_multi_port_external_lb: bool | None
    data_parallel_rank: object
    data_parallel_rpc_port: object
    data_parallel_size_local: object
    data_parallel_start_rank: object
    data_parallel_supervisor_port: object
    dbo_decode_token_threshold: object
    dbo_prefill_token_threshold: object
    dcp_comm_backend: object
    dcp_kv_cache_interleave_size: object
    dcp_q_replicate: bool | None
    default_chat_template_kwargs: object
    default_mm_loras: object
    device: object
    device_ids: object
    diffusion_config: object
    disable_access_log_for_endpoints: object
    disable_async_output_proc: bool | None
    disable_cascade_attn: bool | None
    disable_chunked_mm_input: bool | None
    disable_fastapi_docs: bool | None
    disable_frontend_multiprocessing: bool | None
    disable_log_requests: bool | None
    disable_log_stats: bool | None
    disable_logprobs_during_spec_decoding: object
    disable_mm_preprocessor_cache: bool | None
    disable_nccl_for_dp_synchronization: bool | None
    disable_uvicorn_access_log: bool | None
    distributed_executor_backend: object
    distributed_timeout_seconds: object
    download_dir: object
    dp_supervisor_probe_failure_threshold: object
    dp_supervisor_probe_interval_s: object
    dp_supervisor_probe_timeout_s: object
    dp_sync_interval: object
    ec_manager_config: object
    ec_transfer_config: object
    elastic_ep_max_dp_size: object
    enable_auto_tool_choice: bool | None
    enable_batch_sharded_sampling: bool | None
    enable_bf16x3_router_gemm: bool | None
    enable_cumem_allocator: bool | None
    enable_dbo: bool | None
    enable_elastic_ep: bool | None
    enable_ep_weight_filter: bool | None
    enable_fault_tolerance: bool | None
    enable_flash_late_interaction: bool | None
    enable_flashinfer_autotune: bool | None
    enable_force_include_usage: bool | None
    enable_hc_sp: bool | None
    enable_layerwise_nvtx_tracing: bool | None
    enable_log_deltas: bool | None
    enable_log_outputs: bool | None
    enable_log_requests: bool | None
    enable_logging_iteration_details: bool | None
    enable_lora_bias: bool | None
    enable_mamba_cache_stochastic_rounding: bool | None
    enable_mamba_fine_grained_prefix_cache: bool | None
    enable_mamba_shared_prefix_checkpoint: bool | None
    enable_mfu_metrics: bool | None
    enable_mixed_moe_lora_format: bool | None
    enable_mm_embeds: bool | None
    enable_moe_shared_loras: bool | None
    enable_multimodal_encoder_data_parallel: bool | None
    enable_nccl_comm_suspend: bool | None
    enable_offline_docs: bool | None
    enable_per_request_metrics: bool | None
    enable_prompt_adapter: bool | None
    enable_prompt_embeds: bool | None
    enable_prompt_tokens_details: bool | None
    enable_reasoning: bool | None
    enable_request_id_headers: bool | None
    enable_return_routed_experts: bool | None
    enable_scale_out: bool | None
    enable_server_load_tracking: bool | None
    enable_shm_tensor_arena: bool | None
    enable_ssl_refresh: bool | None
    enable_tokenizer_info_endpoint: bool | None
    enable_tower_connector_lora: bool | None
    enable_trace_replay: bool | None
    engram_config: object
    eplb_log_balancedness: bool | None
    eplb_step_interval: object
    eplb_window_size: object
    exclude_tools_when_tool_choice_none: bool | None
    expand_tools_even_if_tool_choice_none: bool | None
    expert_placement_strategy: object
    fail_on_environ_validation: bool | None
    fault_tolerance_config: object
    fingerprint_mode: object
    fingerprint_value: object
    gdn_prefill_backend: object
    generation_config: object
    grpc: bool | None
    grpc_port: object
    guided_decoding_backend: object
    guided_decoding_disable_additional_properties: object
    guided_decoding_disable_any_whitespace: object
    guided_decoding_disable_fallback: object
    h11_max_header_count: object
    h11_max_incomplete_event_size: object
    headless: bool | None
    hf_config_path: object
    hf_token: object
    host: object
    ignore_patterns: object
    interleave_mm_strings: bool | None
    io_processor_plugin: object
    ir_op_priority: object
    jit_monitor_mode: object
    jit_monitor_verbose: bool | None
    kda_decode_backend: object
    kda_prefill_backend: object
    kernel_config: object
    kv_cache_metrics: bool | None
    kv_cache_metrics_sample: object
    kv_events_config: object
    kv_offloading_backend: object
    kv_offloading_size: object
    kv_sharing_fast_prefill: bool | None
    kv_transfer_config: object
    linear_backend: object
    load_format: object
    log_config_file: object
    log_error_stack: bool | None
    log_level: object
    logging_config: object
    logits_processor_pattern: object
    logits_processors: object
    logprobs_mode: object
    long_lora_scaling_factors: object
    long_prefill_token_threshold: object
    long_prefill_token_threshold_adaptive: bool | None
    lora_extra_vocab_size: object
    lora_modules: object
    lora_target_modules: object
    mamba_backend: object
    mamba_cache_philox_rounds: object
    mamba_ssu_algorithm: object
    master_addr: object
    master_port: object
    max_cpu_loras: object
    max_cudagraph_capture_size: object
    max_log_len: object
    max_logprobs: object
    max_long_partial_prefills: object
    max_lora_cls_labels: object
    max_num_active_seqs: object
    max_num_partial_prefills: object
    max_num_queued_reqs: object
    max_num_queued_tokens: object
    max_num_scheduled_tokens: object
    max_parallel_loading_workers: object
    max_prompt_adapter_token: object
    max_prompt_adapters: object
    max_seq_len_to_capture: object
    media_io_kwargs: object
    middleware: object
    mm_device_do_normalize: bool | None
    mm_encoder_attn_backend: object
    mm_encoder_attn_dtype: object
    mm_encoder_fp8_scale_path: object
    mm_encoder_fp8_scale_save_margin: object
    mm_encoder_fp8_scale_save_path: object
    mm_encoder_only: bool | None
    mm_hasher_algorithm: object
    mm_ipc_gpu_memory_gb: object
    mm_processor_cache_gb: object
    mm_processor_cache_type: object
    mm_processor_device: object
    mm_shm_cache_max_object_size_mb: object
    mm_tensor_ipc: object
    model_class_overrides: object
    model_impl: object
    model_loader_extra_config: object
    monokernel: bool | None
    multi_step_stream_outputs: bool | None
    ngram_prompt_lookup_max: object
    ngram_prompt_lookup_min: object
    nnodes: object
    node_rank: object
    num_lookahead_slots: object
    num_redundant_experts: object
    num_scheduler_steps: object
    num_speculative_tokens: object
    numa_bind: bool | None
    numa_bind_cpus: object
    numa_bind_nodes: object
    offload_params: object
    otlp_traces_endpoint: object
    override_attention_dtype: object
    override_generation_config: object
    override_neuron_config: object
    override_pooler_config: object
    per_request_spec_decode_metrics: object
    pooler_config: object
    port: object
    preemption_mode: object
    prefill_schedule_interval: object
    prefix_cache_retention_interval: object
    prefix_caching_hash_algo: object
    prefix_match_unit: object
    profiler_config: object
    prompt_adapters: object
    pt_load_map_location: object
    qlora_adapter_name_or_path: object
    quantization_config: object
    quantization_param_path: object
    ray_workers_use_nsight: bool | None
    reasoning_config: object
    reasoning_effort_map: object
    reasoning_parser: object
    reasoning_parser_plugin: object
    renderer_num_workers: object
    replayssm_buffer_len: object
    response_role: object
    return_sampling_mask: bool | None
    return_tokens_as_token_ids: bool | None
    root_path: object
    rope_scaling: object
    rope_theta: object
    safetensors_load_strategy: object
    safetensors_prefetch_block_size: object
    safetensors_prefetch_num_threads: object
    scheduler_cls: object
    scheduler_delay_factor: object
    scheduler_reserve_full_isl: bool | None
    scheduling_policy: object
    seed: object
    served_model_name: object
    show_hidden_metrics_for_version: object
    shutdown_timeout: object
    skip_tokenizer_init: bool | None
    sleep_mode_backend: object
    sleep_mode_offload_cudagraph: bool | None
    sleep_preserve_parameter_names: object
    sparse_indexer_topk_backend: object
    spec_decoding_acceptance_method: object
    spec_method: object
    spec_model: object
    spec_tokens: object
    specialize_active_lora: bool | None
    speculative_disable_by_batch_size: object
    speculative_disable_mqa_scorer: bool | None
    speculative_draft_tensor_parallel_size: object
    speculative_max_model_len: object
    speculative_model: object
    speculative_model_quantization: object
    sse_keep_alive_interval: object
    ssl_ca_certs: object
    ssl_cert_reqs: object
    ssl_certfile: object
    ssl_ciphers: object
    ssl_keyfile: object
    stream_interval: object
    structured_outputs_config: object
    swa_bounded_replay: bool | None
    task: object
    tokenizer: object
    tokenizer_mode: object
    tokenizer_pool_extra_config: object
    tokenizer_pool_size: object
    tokenizer_pool_type: object
    tokenizer_revision: object
    tokens_only: bool | None
    tool_call_parser: object
    tool_parser_plugin: object
    tool_server: object
    tool_strict_level: object
    trust_request_chat_template: bool | None
    trust_request_mm_kwargs: bool | None
    typical_acceptance_sampler_posterior_alpha: object
    typical_acceptance_sampler_posterior_threshold: object
    ubatch_size: object
    uds: object
    use_fp64_gumbel: bool | None
    use_gpu_for_pooling_score: bool | None
    use_replayssm: bool | None
    use_tqdm_on_load: bool | None
    use_v2_block_manager: bool | None
    uvicorn_log_level: object
    video_pruning_method: object
    video_pruning_rate: object
    watchdog_config: object
    watermark: object
    watermark_config: object
    weight_transfer_config: object
    worker_cls: object
    worker_extension_cls: object
    worker_use_ray: bool | None


class DeploymentArguments(EngineArguments, total=False):
    """What is asked about a model besides its hardware."""

    concurrency: int
    vllm_version: str | None
    policy: Policy | None
    trust_remote_code: bool
    revision: str | None


class EstimateArguments(DeploymentArguments, total=False):
    """What `vram.estimate` takes besides the model."""

    gpu: str | None
    gpu_memory_gib: float | None
    gpus: int | None
    used_gib: float | None
    profile: str | None
    ask_vllm: bool | str | PathLike[str]
