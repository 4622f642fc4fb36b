import os

from modal import App, Image, gpu

app = App("one")
CHOICES = {"big": gpu.H100(count=2), "small": gpu.L4()}


@app.function(image=Image.debian_slim().pip_install("vllm==0.9.1"), gpu=CHOICES[os.environ.get("SIZE", "big")])
def run():
    from vllm import LLM

    return LLM(model="Qwen/Qwen3-14B", tensor_parallel_size=2)
