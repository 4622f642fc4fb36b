import bentoml
from vllm import AsyncEngineArgs, AsyncLLMEngine

OPTIONS = dict(model="Qwen/Qwen3-14B", max_model_len=8192, tensor_parallel_size=2)


@bentoml.service(name="chat", resources={"gpu": "2", "gpu_type": "nvidia-l4"}, traffic={"timeout": 60})
class Chat:
    def __init__(self):
        self.engine = AsyncLLMEngine.from_engine_args(AsyncEngineArgs(**OPTIONS))
