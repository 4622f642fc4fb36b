"""vLLM's start-up logs, read as data: what was started, what vLLM measured, and how that compares with the estimate."""
