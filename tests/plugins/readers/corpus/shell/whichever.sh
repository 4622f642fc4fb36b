#!/bin/bash
if command -v uv >/dev/null; then RUN=(uv run vllm); else RUN=("$HOME/venv/bin/vllm"); fi
"${RUN[@]}" serve Qwen/Qwen3-8B --max-num-seqs 64 --tensor-parallel-size 2
"${OTHER[@]}" serve ./site --port 8000
