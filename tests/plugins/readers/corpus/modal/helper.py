"""A function without a decorator runs where the one that calls it does."""

import subprocess

import modal

image = modal.Image.debian_slim().pip_install("vllm==0.11.0")
app = modal.App("helpers", image=image)


def start(model, *more):
    subprocess.Popen(["vllm", "serve", model, "--max-model-len", "4096"])


def here():
    start("Qwen/Qwen3-0.6B")


@app.function(gpu="L40S")
@modal.web_server(8000)
def small():
    start("Qwen/Qwen3-4B")


@app.function(gpu="H100:2")
@modal.web_server(8000)
def large():
    start("Qwen/Qwen3-14B")
