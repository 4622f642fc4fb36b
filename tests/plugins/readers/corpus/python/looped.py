import subprocess

flags = {"max-model-len": 4096, "dtype": "half", "seed": None}
command = ["vllm", "serve", "Qwen/Qwen3-4B"] + [f"--{name}={value}" for name, value in flags.items() if value]
subprocess.run(command)

other = ["vllm", "serve", "Qwen/Qwen3-0.6B"]
for name, value in flags.items():
    if value is not None:
        other += [f"--{name}", str(value)]
subprocess.run(other)

for model, size in zip(["Qwen/Qwen3-8B", "Qwen/Qwen3-14B"], [1, 2]):
    subprocess.Popen(f"vllm serve {model} -tp {size}", shell=True)

for name in load_flags():
    subprocess.run(["vllm", "serve", "Qwen/Qwen3-1.7B", f"--{name}"])
