#!/bin/bash
HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
source "$HERE/called/settings.env"
start() {
  CUDA_VISIBLE_DEVICES=$2 vllm serve "$1" --max-model-len "$LENGTH" &
  echo $!
}
pid=$(start Qwen/Qwen3-0.6B 0)
start Qwen/Qwen3-1.7B 1
tmux new -d -s big "bash called/one.sh Qwen/Qwen3-14B 2,3"
MODEL=Qwen/Qwen3-8B ./called/named.sh
