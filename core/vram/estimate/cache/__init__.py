"""Third: how the remaining memory becomes KV cache blocks."""
