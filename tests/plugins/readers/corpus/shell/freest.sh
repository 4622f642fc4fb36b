#!/bin/bash
mapfile -t FREE < <(nvidia-smi --query-gpu=index,memory.free --format=csv,noheader | sort -t, -k2 -nr | head -n 3)
for i in "${!FREE[@]}"; do
    CUDA_VISIBLE_DEVICES="${FREE[$i]}" vllm serve Qwen/Qwen3-8B --port $((8000 + i)) --dtype bfloat16 &
done
for model in "${MODELS_OF_ANOTHER_FILE[@]}"; do
    vllm serve "$model"
done
NONE=()
for model in "${NONE[@]}"; do
    vllm serve "$model" --max-model-len 2048
done
