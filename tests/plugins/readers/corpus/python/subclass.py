from vllm import LLM


class Counting(LLM):
    """An engine that counts what it is asked."""

    def __init__(self, *args, counter=None, **kwargs):
        self.counter = counter
        super().__init__(*args, **kwargs)


engine = Counting("Qwen/Qwen3-8B", counter=[], max_model_len=2048, enforce_eager=True)
