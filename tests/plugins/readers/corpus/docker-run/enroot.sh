#!/bin/bash
enroot import docker://vllm/vllm-openai:v0.10.1
enroot start --rw -e HF_HOME=/cache -m /data:/data ./vllm+vllm-openai+v0.10.1.sqsh --model Qwen/Qwen3-8B --max-model-len 2048
enroot start --root images vllm serve Qwen/Qwen3-4B --max-model-len 1024
