import os
import sys

import click
import typer
from vllm import LLM

app = typer.Typer()


@click.command()
@click.option("--model", "-m", default="Qwen/Qwen3-8B")
@click.option("--max-len", default=4096, type=int)
@click.option("--eager", is_flag=True)
def main(model, max_len, eager):
    LLM(model, max_model_len=max_len, enforce_eager=eager)


@app.command()
def serve(model: str = typer.Option("Qwen/Qwen3-4B"), tp: int = typer.Argument(2), name: str = typer.Option(...)):
    LLM(model=model, tensor_parallel_size=tp)


def start():
    cmd = [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
    for key, value in {"model": "Qwen/Qwen3-1.7B", "enforce-eager": True, "seed": 3, "quantization": None}.items():
        if isinstance(value, bool):
            if value:
                cmd.append(f"--{key}")
        elif isinstance(value, (int, str)):
            cmd += [f"--{key}", str(value)]
    os.execvp(cmd[0], cmd)
