import subprocess

import mine

subprocess.Popen(["vllm", "serve", mine.model()])
subprocess.Popen(["vllm", "serve", "Qwen/Qwen3-8B", *mine.flags()])
subprocess.Popen(["vllm", "serve", "Qwen/Qwen3-4B", "--port", str(mine.port())])
