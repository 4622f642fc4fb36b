docker run -d --rm --name chat --gpus '"device=0,1"' \
    -v ~/.cache/huggingface:/root/.cache/huggingface \
    --env "HF_TOKEN=$HF_TOKEN" -e VLLM_LOGGING_LEVEL=DEBUG \
    -p 8000:8000 --ipc=host \
    vllm/vllm-openai:v0.10.2 \
    --model mistralai/Devstral-Small-2507 \
    --tensor-parallel-size 2 --tokenizer_mode mistral
