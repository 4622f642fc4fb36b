from vllm import LLM
import sglang as sgl

import settings


def load(model, **kwargs):
    return LLM(model=model)


a = LLM(model=settings.MODEL)
b = LLM("Qwen/Qwen3-8B", enforce_eager=settings.EAGER)
c = LLM("Qwen/Qwen3-8B", **settings.KWARGS)
d = sgl.Engine(model_path="Qwen/Qwen3-8B")
