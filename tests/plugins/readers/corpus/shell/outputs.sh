#!/bin/bash
MODEL="${MODEL:-HuggingFaceTB/SmolLM2-1.7B-Instruct}"
export CUDA_VISIBLE_DEVICES=2,3,6
vllm serve $(printf '%q' "$MODEL") --pipeline-parallel-size $(echo $CUDA_VISIBLE_DEVICES | tr ',' '\n' | wc -l) &
vllm serve Qwen/Qwen3-8B --pipeline-parallel-size $(echo "$CUDA_VISIBLE_DEVICES" | awk -F',' '{print NF}') &
vllm serve Qwen/Qwen3-4B --pipeline-parallel-size $(nvidia-smi -L | wc -l)
