#!/bin/bash
#SBATCH --job-name=survey
#SBATCH --gres=gpu:h100:1
MODEL=meta-llama/Llama-3.2-1B-Instruct
srun python3 ask.py --model-id "$MODEL" --gpu-memory-utilization 0.8   # vLLM's own words, and a program of somebody's
python3 benchmark_serving.py --gpu-memory-utilization 0.8
python3 count.py --model-id "$MODEL"
