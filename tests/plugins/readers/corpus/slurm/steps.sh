#!/bin/bash -l
#SBATCH --gpus-per-node=4
#SBATCH --nodes 2
model=$1
srun -N 1 -n 1 --gres=gpu:1 -w node1 vllm serve Qwen/Qwen3-8B &
srun --nodes=1 --gpus-per-node=2 bash -c 'vllm serve Qwen/Qwen3-14B -tp 2' &
vllm serve $model --enforce-eager
wait
