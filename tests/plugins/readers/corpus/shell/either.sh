#!/bin/bash
RUN="vllm serve Qwen/Qwen3-4B --max-model-len 4096"
if [[ "$1" == "--background" ]]; then
  $RUN &
else
  $RUN
fi
IDS=(1 "2,3")
MODELS=(Qwen/Qwen3-8B Qwen/Qwen3-32B)
for index in "${!MODELS[@]}"; do
  CUDA_VISIBLE_DEVICES="${IDS[$index]}" vllm serve "${MODELS[index]}" \
    --tensor-parallel-size $(echo ${IDS[$index]} | tr -cd ',' | wc -c | xargs -I {} expr {} + 1) \
    --served-model-name $(echo ${MODELS[$index]} | cut -d/ -f2) &
done
