#!/bin/bash
size="${1:?usage: chosen.sh small|big}"
case "$size" in
  small)
    model=Qwen/Qwen3-0.6B
    ;;
  big)
    model=Qwen/Qwen3-32B
    extra=(--tensor-parallel-size 4)
    ;;
  *)
    echo "unknown: $size" >&2
    exit 2
    ;;
esac
ENGINE=vllm
case $ENGINE in
  vllm) vllm serve "$model" "${extra[@]}" ;;
  other) python -m sglang.launch_server --model-path "$model" ;;
esac
