#!/bin/bash
# nothing says which release is installed: one that takes the flags
CUDA_VISIBLE_DEVICES=0,1 vllm serve Qwen/Qwen3-8B --tensor-parallel-size 2 --enable-reasoning --reasoning-parser deepseek_r1

python -m vllm.entrypoints.openai.api_server --model Qwen/Qwen2.5-7B-Instruct --worker-use-ray

vllm serve Qwen/Qwen3-8B --max-batch-size 4
