cat > settings.yaml <<EOF
max-model-len: 8192
async-scheduling: true
EOF
vllm serve Qwen/Qwen3-8B --config=./settings.yaml --port 9000
