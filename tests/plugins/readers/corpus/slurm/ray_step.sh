#!/bin/bash
#SBATCH --gpus-per-node=H100:8
#SBATCH --nodes=2
HEAD=$(scontrol show hostnames $SLURM_JOB_NODELIST | head -n1)
srun --nodes=1 --ntasks=1 -w $HEAD bash -c "ray start --head --port=6379 --block" &
srun --overlap --nodes=1 -w $HEAD vllm serve deepseek-ai/DeepSeek-R1 \
  --tensor-parallel-size 8 --pipeline-parallel-size 2
