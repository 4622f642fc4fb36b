#!/bin/sh
# one server by its checkpoint, one by its variable
vllm serve mlx-community/Qwen3-8B-4bit --port 8000 &
VLLM_METAL_MEMORY_FRACTION=auto vllm serve Qwen/Qwen3-8B --port 8001
