#!/bin/sh
cat > /opt/serve.sh <<EOF
#!/bin/sh
vllm serve ${MODEL:-meta-llama/Llama-3.1-8B} --max-num-seqs \
  64
EOF
echo "to serve by hand: vllm serve some/model"
# vllm serve an/other --max-model-len 4096
CMD="vllm serve Qwen/Qwen3-0.6B
  --enforce-eager"
eval $CMD
python3 - <<'PY'
from vllm import LLM
llm = LLM("facebook/opt-125m", max_model_len=512)
PY
grep -q "vllm serve" /var/log/x && pkill -f "vllm serve"
