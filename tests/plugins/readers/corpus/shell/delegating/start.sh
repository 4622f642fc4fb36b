#!/bin/bash
DIR="$(cd "$(dirname "$0")" && pwd)"
exec bash "$DIR/qwen_vllm_fp8.sh" "$@"
