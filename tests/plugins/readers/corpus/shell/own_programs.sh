#!/bin/bash
# an engine without a server: code in the command, and vLLM's own programs
python3 -c "from vllm import LLM; LLM('Qwen/Qwen3-8B', max_model_len=2048)"
vllm run-batch -i in.jsonl -o out.jsonl --model Qwen/Qwen3-1.7B --max-model-len 1024
vllm bench throughput --model Qwen/Qwen3-14B --input-len 32 --max-num-seqs 64
vllm bench throughput --backend hf --model Qwen/Qwen3-14B
# these speak to a server that runs already
vllm bench serve --model Qwen/Qwen3-14B --port 8000
vllm chat --url http://localhost:8000/v1
