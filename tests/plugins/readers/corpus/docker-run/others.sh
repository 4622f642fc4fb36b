#!/bin/bash
apptainer exec --nv --bind /scratch:/data --env HF_HOME=/data vllm_0.9.sif vllm serve Qwen/Qwen3-32B -tp 4
singularity run --nv docker://vllm/vllm-openai:v0.8.5 --model Qwen/QwQ-32B
kubectl run llm --image=vllm/vllm-openai:v0.9.1 --limits=nvidia.com/gpu=1 -- --model Qwen/Qwen3-8B
ssh node1 "cd /srv && vllm serve Qwen/Qwen3-14B --max-num-seqs 32"
tmux new-session -d -s llm 'CUDA_VISIBLE_DEVICES=3 vllm serve Qwen/Qwen3-0.6B'
uv run --with vllm vllm serve Qwen/Qwen3-1.7B
numactl --cpunodebind=0 --membind=0 python3 -m vllm.entrypoints.openai.api_server --model Qwen/Qwen3-4B
