#!/bin/bash
# Step 1: python scripts/test_vllm.py is another matter
env CUDA_VISIBLE_DEVICES=0,1 python scripts/launch_vllm.py "Qwen/Qwen3-8B" -- --port 8000 &
python scripts/vllm_client.py
