#!/bin/bash
MODEL=Qwen/Qwen2.5-72B-Instruct
if nvidia-smi | grep -q H100; then
  TP=4
else
  TP=8
fi
vllm serve $MODEL --tensor-parallel-size $TP
while [[ $# -gt 0 ]]; do
  case "$1" in
    --model) MODEL="$2"; shift 2 ;;
    *) shift ;;
  esac
done
case "${SIZE:-small}" in
  small) LEN=4096 ;;
  large) LEN=32768 ;;
esac
python -m vllm.entrypoints.openai.api_server --model="$MODEL" --max-model-len=$LEN
vllm serve $UNKNOWN --dtype half
vllm serve <your-model> --dtype half
