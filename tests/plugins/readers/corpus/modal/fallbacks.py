import os
import subprocess

import modal

app = modal.App()
GPU = os.environ.get("GPU_TYPE", "L40S")


@app.function(gpu=[GPU, "A10G"])
@modal.web_server(8000)
def run():
    subprocess.Popen(["vllm", "serve", os.environ.get("MODEL_ID", "Qwen/Qwen3-4B"), "--max-model-len", "8192"])
