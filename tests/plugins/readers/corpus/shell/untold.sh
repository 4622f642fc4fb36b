#!/bin/bash
# what only a run would tell is no model
vllm serve $(choose-model)
bash -c "vllm serve '$SOMEWHERE' --port 8001"
vllm serve Qwen/Qwen3-8B --max-model-len $(jq .length plan.json)
python -m vllm.entrypoints.openai.api_server --model Qwen/Qwen3-8B \  # a remark
  --max-model-len 4096
