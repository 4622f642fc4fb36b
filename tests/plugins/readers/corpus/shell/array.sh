#!/bin/bash
it_is="an apostrophe's place"
ARGS=(
  --max-model-len 8192   # tokens
  --kv-cache-dtype fp8
  --speculative-config '{"method": "ngram", "num_speculative_tokens": 4}'
)
if [[ -n "$QUANT" ]]; then
  ARGS+=(--quantization "$QUANT")
fi
[ -z "$PORT" ] && PORT=8100
serve() {
  local model="$1"; shift
  CUDA_VISIBLE_DEVICES=$GPU nohup vllm serve "$model" "${ARGS[@]}" "$@" > "logs/$model.log" 2>&1 &
}
GPU=0
serve mistralai/Mistral-7B-Instruct-v0.3 --port $PORT
GPU=1,2
serve google/gemma-3-27b-it -tp 2
