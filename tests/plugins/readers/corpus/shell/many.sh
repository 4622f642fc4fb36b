#!/bin/bash
for flag in $FLAGS; do
  ARGS+=("--$flag")
done
for model in Qwen/Qwen3-0.6B Qwen/Qwen3-1.7B; do
  HIP= vllm serve $model --download-dir $HOME/models &
done
vllm serve Qwen/Qwen3-4B "${ARGS[@]}"
vllm serve $HOME/models/one
export CUDA_VISIBLE_DEVICES=TODO
vllm serve $(pwd)/models/two
