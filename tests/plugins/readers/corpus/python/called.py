from dataclasses import dataclass

from vllm import LLM
from vllm.config import CompilationConfig, CUDAGraphMode, KVTransferConfig


@dataclass
class Settings:
    model: str = "Qwen/Qwen3-4B"
    length: int = 4096


class Judge:
    def __init__(self, name, size=1, length=None):
        self.llm = LLM(model=name, tensor_parallel_size=size, max_model_len=length, disable_log_stats=False)


def build(name, seqs=max(8, 16)):
    return LLM(name, max_num_seqs=seqs, compilation_config=CompilationConfig(cudagraph_mode=CUDAGraphMode.PIECEWISE))


settings = Settings(length=2048)
Judge("Qwen/Qwen3-14B", size=2)
Judge(settings.model, length=settings.length)
build("Qwen/Qwen3-0.6B")
LLM("Qwen/Qwen3-8B", kv_transfer_config=KVTransferConfig(kv_connector="NixlConnector", kv_role="kv_both"))
