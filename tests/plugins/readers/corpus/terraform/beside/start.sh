#!/bin/bash
docker run -d --gpus all vllm/vllm-openai:v0.9.2 --model Qwen/Qwen3-8B --tensor-parallel-size 4
