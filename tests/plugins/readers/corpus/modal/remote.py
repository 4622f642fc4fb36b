import modal

app = modal.App("remote", image=modal.Image.debian_slim().pip_install("vllm==0.10.1"))


@app.function(gpu="L40S", timeout=600)
def answer(model: str, rows: list[str]) -> list[str]:
    from vllm import LLM

    return [one.outputs[0].text for one in LLM(model=model, max_model_len=2048).generate(rows)]


@app.local_entrypoint()
def main(model: str = "Qwen/Qwen2.5-3B-Instruct") -> None:
    print(answer.remote(model, ["hello"]))
