"""Two applications, one of them on a GPU by its name."""

from ray import serve
from ray.serve.llm import LLMConfig, build_openai_app

small = LLMConfig(
    model_loading_config=dict(model_id="small", model_source="Qwen/Qwen2.5-1.5B-Instruct"),
    accelerator_type="L4",
    engine_kwargs=dict(max_model_len=2048, enforce_eager=True),
    runtime_env=dict(env_vars={"VLLM_USE_V1": "1"}),
)
large = LLMConfig(
    model_loading_config={"model_id": "mistralai/Mistral-Small-24B-Instruct-2501"},
    engine_kwargs={"tensor_parallel_size": 2, "kv_transfer_config": {"kv_connector": "NixlConnector", "kv_role": "kv_both"}},
)
serve.run(build_openai_app({"llm_configs": [small, large]}))
