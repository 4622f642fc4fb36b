@echo off
REM docker run vllm/vllm-openai --model not/started
set MODEL=Qwen/Qwen3-4B
set "LENGTH=4096"
docker run --rm --gpus all ^
  vllm/vllm-openai:latest ^
  --model %MODEL% ^
  --max-model-len %LENGTH%
pause
