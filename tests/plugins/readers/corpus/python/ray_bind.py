import ray
import torch
from ray import serve
from vllm import LLM
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.engine.async_llm_engine import AsyncLLMEngine


@serve.deployment(ray_actor_options={"num_gpus": 1})
class Served:
    def __init__(self, model: str, dtype: str = "float16"):
        self.engine = AsyncLLMEngine.from_engine_args(AsyncEngineArgs(model=model, dtype=dtype))


@ray.remote
class Worker:
    def __init__(self, model, length):
        kind = "bfloat16" if torch.cuda.is_available() else "float32"
        self.llm = LLM(model, max_model_len=length, dtype=kind)


app = Served.options(num_replicas=2).bind(model="mistralai/Mistral-7B-Instruct-v0.2")
worker = Worker.options(num_gpus=1).remote("Qwen/Qwen3-8B", 4096)
