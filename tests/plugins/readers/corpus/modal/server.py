import modal

image = (
    modal.Image.debian_slim(python_version="3.12")
    .uv_pip_install("vllm==0.13.0", "huggingface-hub==0.36.0")
    .env({"HF_XET_HIGH_PERFORMANCE": "1"})
)
MODEL_NAME = "Qwen/Qwen3-8B"
N_GPU = 2
FAST_BOOT = True
app = modal.App("llm")


@app.function(image=image, gpu=f"H100:{N_GPU}", timeout=600)
@modal.web_server(port=8000)
def serve():
    import subprocess

    cmd = [
        "vllm", "serve", MODEL_NAME,
        "--port", str(8000),
    ]
    cmd += ["--enforce-eager" if FAST_BOOT else "--no-enforce-eager"]
    cmd += ["--tensor-parallel-size", str(N_GPU)]
    subprocess.Popen(" ".join(cmd), shell=True)
