from fabric import Connection
from invoke import task


@task
def serve(c, model="Qwen/Qwen3-8B", length=2048, half=False):
    command = f"uv run vllm serve {model} --max-model-len {length}"
    if half:
        command += " --dtype half"
    c.run(command)


host = Connection("gpu1")
host.sudo("docker run --gpus all vllm/vllm-openai:v0.11.0 --model Qwen/Qwen3-4B")
host.run("systemctl status vllm")
