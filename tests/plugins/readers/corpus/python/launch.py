import subprocess
import sys

MODELS = {"chat": "Qwen/Qwen3-8B", "embed": "BAAI/bge-m3"}


def start(port=8000, gpu="0"):
    cmd = [
        sys.executable, "-m", "vllm.entrypoints.openai.api_server",
        "--model", MODELS["chat"],
        "--port", str(port),
    ]
    cmd += ["--dtype", "bfloat16"]
    cmd.extend(["--max-num-seqs", "32"])
    return subprocess.Popen(cmd, env={"CUDA_VISIBLE_DEVICES": gpu})


subprocess.run(f"vllm serve {MODELS['embed']} --runner pooling", shell=True)
subprocess.run(["pip", "install", "vllm"])
