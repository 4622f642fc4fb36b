#!/bin/bash
read -rp "Which model? " MODEL
vllm serve "${MODEL:-Qwen/Qwen3-8B}" --max-model-len 1024
IFS=, read -ra CARDS <<< "0,1,2,3"
vllm serve Qwen/Qwen3-32B --tensor-parallel-size ${#CARDS[@]}
while IFS='|' read -r model length; do
  vllm serve "$model" --max-model-len "$length"
done <<'TABLE'
Qwen/Qwen3-0.6B|2048
Qwen/Qwen3-1.7B|4096
TABLE
LIST=(BAAI/bge-m3 BAAI/bge-large-en-v1.5)
printf '%s\n' "${LIST[@]}" | while read -r model; do
  vllm serve "$model" --runner pooling
done
curl -s https://example.org/models | while read -r model; do
  vllm serve "$model" --seed 1
done
