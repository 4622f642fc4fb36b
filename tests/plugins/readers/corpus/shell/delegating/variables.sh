#!/bin/bash
#SBATCH --nodes=2
export CUDA_VISIBLE_DEVICES=0,1
export VLLM_USE_V1=1
srun python rollout.py
