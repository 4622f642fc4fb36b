import subprocess

import mine

subprocess.Popen(["vllm", "serve", mine.model()])
subprocess.Popen(["vllm", "serve", "Qwen/Qwen3-8B", *mine.flags()])
subprocess.Popen(["vllm", "serve", "Qwen/Qwen3-4B", "--port", str(mine.port())])
subprocess.run(f"vllm serve Qwen/Qwen3-14B {mine.flags()}", shell=True)
subprocess.run(["bash", "-c", f"vllm serve {mine.model()} --port 1"])
