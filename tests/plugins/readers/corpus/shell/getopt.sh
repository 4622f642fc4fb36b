#!/bin/bash
PARSED=$(getopt -o m:t: --long model:,tensor: -- "$@") || exit 2
eval set -- "$PARSED"
MODEL=Qwen/Qwen3-14B
TENSOR=2
while :; do
  case "$1" in
    -m|--model) MODEL="$2"; shift 2;;
    -t|--tensor) TENSOR="$2"; shift 2;;
    --) shift; break;;
    *) exit 1;;
  esac
done
vllm serve "$MODEL" -tp "$TENSOR"
