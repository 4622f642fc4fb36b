import ray
from ray.data.llm import build_llm_processor, vLLMEngineProcessorConfig

config = vLLMEngineProcessorConfig(
    model_source="google/gemma-2-2b-it",
    engine_kwargs=dict(max_model_len=4096),
    accelerator_type="A10G",
    batch_size=64,
)
processor = build_llm_processor(config)
