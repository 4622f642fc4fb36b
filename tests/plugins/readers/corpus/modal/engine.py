import modal

app = modal.App()


@app.cls(gpu="A100-80GB")
class Model:
    @modal.enter()
    def load(self):
        from vllm import LLM

        self.llm = LLM("mistralai/Mistral-7B-Instruct-v0.3", max_model_len=4096)
