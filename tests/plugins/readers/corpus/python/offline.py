"""Offline inference; it isn't a server."""
import os

from vllm import LLM, SamplingParams

os.environ["CUDA_VISIBLE_DEVICES"] = "0,1"
MODEL = "Qwen/Qwen2.5-VL-7B-Instruct"
KWARGS = dict(gpu_memory_utilization=0.85, enforce_eager=True)


def main(tp: int = 2):
    llm = LLM(
        model=MODEL,
        tensor_parallel_size=tp,
        max_model_len=8 * 1024,
        limit_mm_per_prompt={"image": 4},
        quantization=None,
        **KWARGS,
    )
    print(llm.generate("vllm serve no/model", SamplingParams()))
