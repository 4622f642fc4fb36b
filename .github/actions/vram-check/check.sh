#!/usr/bin/env bash
# The action's inputs as words of `vram check`: one a line, and nothing in them is expanded.
set -uo pipefail

words=()
each_line() { # $1: an option to put before each line of $2, or nothing
  while IFS= read -r line; do
    line="${line#"${line%%[![:space:]]*}"}"
    line="${line%"${line##*[![:space:]]}"}"
    [ -n "$line" ] || continue
    [ -z "$1" ] || words+=("$1")
    words+=("$line")
  done <<<"$2"
}
each_line --gpu "${VRAM_GPU:-}"
each_line --vllm-version "${VRAM_VLLM_VERSION:-}"
each_line --model-for "${VRAM_MODEL_FOR:-}"
each_line "" "${VRAM_OPTIONS:-}"
words+=(--)
each_line "" "${VRAM_PATHS:-.}"

if [ -n "${VRAM_SARIF:-}" ]; then
  vram check --format sarif --output "$VRAM_SARIF" "${words[@]}" >/dev/null
fi
vram check --format github "${words[@]}"
code=$?
echo "exit-code=$code" >>"${GITHUB_OUTPUT:-/dev/null}"
exit "$code"
