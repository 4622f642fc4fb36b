import os
import subprocess
from functools import partial
from pathlib import Path

import docker
from vllm import LLM


class Server:
    MODEL = "Qwen/Qwen3-0.6B"

    def start(self):
        return LLM(self.MODEL, max_model_len=len("four") * 1024)


later = partial(LLM, model="Qwen/Qwen3-1.7B", enforce_eager=True)
subprocess.Popen(args=["vllm", "serve", "Qwen/Qwen3-4B"])
os.system("vllm serve %s --max-num-seqs %d" % ("Qwen/Qwen3-8B", 16))
LLM(str(Path("/models") / "qwen" / "small"))
LLM(model=os.path.join("/models/", "large"))
docker.from_env().containers.run(
    "vllm/vllm-openai:v0.9.0", command="--model Qwen/Qwen3-14B -tp 2", name="llm", environment={"HF_HOME": "/cache"}
)
match os.environ.get("WHICH"):
    case "one":
        LLM("Qwen/Qwen3-32B")
