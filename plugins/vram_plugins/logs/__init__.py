"""vLLM's start-up logs, read as data: what was started, what vLLM measured, how it ended."""
