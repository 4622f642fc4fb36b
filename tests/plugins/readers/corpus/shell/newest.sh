#!/bin/bash
uv pip install -U vllm --torch-backend=auto
vllm serve Qwen/Qwen3-8B --swap-space 16
