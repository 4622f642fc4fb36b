"""Lines as they were pasted, and as vLLM printed them."""
