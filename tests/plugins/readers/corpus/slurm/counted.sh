#!/bin/bash
#SBATCH --job-name=counted
#SBATCH --gres=gpu:a100_80gb:2
WORKERS=$(nvidia-smi -L | wc -l)
LOCAL=$(nvidia-smi --query-gpu=name --format=csv,noheader | wc -l)
vllm serve Qwen/Qwen3-32B --tensor-parallel-size $WORKERS &
vllm serve Qwen/Qwen3-14B --tensor-parallel-size "$LOCAL"
