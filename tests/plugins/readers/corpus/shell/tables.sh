#!/bin/bash
declare -A SIZES=( ["Qwen/Qwen3-8B"]=1 ["Qwen/Qwen3-32B"]=4 )
for model in "${!SIZES[@]}"; do
  vllm serve "$model" --tensor-parallel-size "${SIZES[$model]}"
done
declare -A NAMES
NAMES[small]=Qwen/Qwen3-0.6B
NAMES["large one"]="Qwen/Qwen3-14B"
KIND=${1:-small}
vllm serve "${NAMES[$KIND]}" --max-model-len 1024
vllm serve "${NAMES[large one]}" --max-model-len 2048
LENGTHS[0]=512
LENGTHS[1]=768
vllm serve Qwen/Qwen3-1.7B --max-model-len ${LENGTHS[1]} --data-parallel-size ${#LENGTHS[@]}
