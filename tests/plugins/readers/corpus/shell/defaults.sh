#!/usr/bin/env bash
set -euo pipefail
# don't let an apostrophe hide what follows
MODEL="${1:-Qwen/Qwen3-8B}"
TP=${TP:-2}
MAX_LEN=$((16 * 1024))
export CUDA_VISIBLE_DEVICES=0,1
LORA=${ADAPTERS:+--enable-lora}

exec vllm serve "$MODEL" \
  --tensor-parallel-size "$TP" \
  --max-model-len $MAX_LEN $LORA \
  --port "${PORT}" \
  --api-key "$KEY" "$@"
