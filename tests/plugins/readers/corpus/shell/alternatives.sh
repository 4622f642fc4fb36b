#!/usr/bin/env bash
# flags in an array that may be empty, an alternative with JSON in it, and a branch for other hardware
EXTRA=()
DRAFT=${DRAFT:-'{"method": "ngram", "num_speculative_tokens": 3}'}
if command -v rocm-smi >/dev/null || [[ -d /opt/rocm ]]; then
  EXTRA+=(--enforce-eager)
fi
MODEL=Qwen/Qwen3-8B-AWQ
if [[ "$MODEL" == *-AWQ ]]; then
  QUANT="--quantization awq_marlin"
fi
vllm serve "$MODEL" $QUANT ${EXTRA[@]+"${EXTRA[@]}"} ${DRAFT:+--speculative-config "$DRAFT"}
