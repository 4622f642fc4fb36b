<# Starts the engine;
   vllm serve is not started by this comment. #>
$Model = "Qwen/Qwen3-8B"
$env:HF_HOME = 'D:\hub'
docker run --gpus all --rm `
  -v "${env:USERPROFILE}/.cache:/root/.cache" `
  vllm/vllm-openai:v0.9.0 `
  --model $Model `
  --max-model-len 8192
