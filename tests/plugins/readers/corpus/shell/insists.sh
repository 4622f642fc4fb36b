#!/bin/bash
if [[ $# -lt 1 ]]; then
  echo "usage: $0 prefill|decode [model]"
  exit 1
fi
if [[ $# -eq 1 ]]; then
  MODEL=Qwen/Qwen3-4B
else
  MODEL=$2
fi
if [[ $1 == prefill ]]; then
  vllm serve "$MODEL" --port 8100 --max-num-seqs 8
else
  vllm serve "$MODEL" --port 8200 --max-num-seqs 64
fi
