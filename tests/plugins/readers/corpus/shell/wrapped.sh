#!/bin/bash
OVERRIDES=$(cat <<'JSON'
{"max_position_embeddings": 8192}
JSON
)
vllm serve Qwen/Qwen3-8B --hf-overrides "$OVERRIDES"
echo 8001 | xargs -I{} vllm serve Qwen/Qwen3-4B --max-model-len 4096 --port {}
docker service create --name llm --generic-resource "NVIDIA-GPU=1" --with-registry-auth \
  vllm/vllm-openai:v0.10.0 --model Qwen/Qwen3-14B
cat models.txt | xargs -I{} vllm serve {} --seed 1
cat models.txt | xargs -I % sh -c 'vllm serve % --seed 2'
