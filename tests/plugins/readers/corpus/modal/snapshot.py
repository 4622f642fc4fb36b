import subprocess

import modal

image = modal.Image.debian_slim().uv_pip_install("vllm==0.11.2").env({"VLLM_SERVER_DEV_MODE": "1"})
app = modal.App("one")


def command(size):
    return ["vllm", "serve", "Qwen/Qwen3-8B", "--tensor-parallel-size", str(size), "--enable-sleep-mode"]


@app.server(image=image, gpu="H100:2", port=8000)
class Server:
    @modal.enter(snap=True)
    def start(self):
        self.process = subprocess.Popen(command(2))
