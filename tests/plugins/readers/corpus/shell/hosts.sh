#!/bin/bash
template() {
  local name="$1"; shift
  made=$(runpodctl template create --name "$name" "$@")
}
ID=$(template "chat" --image "vllm/vllm-openai:v0.11.0" \
  --docker-entrypoint "/bin/bash" --docker-start-cmd "-c,exec vllm serve google/gemma-3-4b-it --max-model-len 4096")
runpodctl create pod --name pair --gpuType "NVIDIA GeForce RTX 4090" --gpuCount 2 \
  --imageName vllm/vllm-openai:v0.10.2 --args "--model Qwen/Qwen3-14B --tensor-parallel-size 2"
vastai create instance 123 --image vllm/vllm-openai:v0.9.2 --disk 80 --args --model Qwen/Qwen3-8B
