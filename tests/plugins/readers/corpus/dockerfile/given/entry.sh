#!/bin/bash
model=$1
shift
exec python3 -m vllm.entrypoints.openai.api_server --model "$model" --dtype half "$@"
