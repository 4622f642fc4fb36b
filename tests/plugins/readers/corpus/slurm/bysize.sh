#!/bin/bash
#SBATCH --gres=gpu:80g:2
vllm serve Qwen/Qwen3-14B --tensor-parallel-size 2
