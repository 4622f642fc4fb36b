#!/bin/bash
if [ -f called/served.env ]; then
  export $(grep -v '^#' called/served.env | xargs)
fi
for ((i = 0; i < 4; i += 2)); do
  CUDA_VISIBLE_DEVICES=$i,$((i + 1)) vllm serve $SERVED --max-model-len $SERVED_LENGTH -tp 2 --port $((8000 + i)) &
done
echo usage: vllm serve nothing
