#!/bin/bash
python3 -m sglang.launch_server --model-path Qwen/Qwen3-8B --tp 2
pip install sglang vllm
ollama pull llama3
text-generation-launcher --model-id HuggingFaceH4/zephyr-7b-beta
VLLM_CPU_KVCACHE_SPACE=40 vllm serve Qwen/Qwen3-0.6B
vllm serve Qwen/Qwen3-1.7B --device tpu
vllm bench serve --model Qwen/Qwen3-8B
