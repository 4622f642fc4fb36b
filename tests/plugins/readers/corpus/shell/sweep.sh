#!/bin/bash
for model in Qwen/Qwen3-4B Qwen/Qwen3-8B; do
  SERVE="vllm serve $model --max-model-len 4096 \
    --gpu-memory-utilization 0.8"
  vllm bench sweep serve --serve-cmd "$SERVE" --bench-cmd "vllm bench serve --model $model" --output-dir out
done
