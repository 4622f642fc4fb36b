param(
  [Parameter(Position=0)]
  [string]$Model = "Qwen/Qwen3-8B",
  [int] $Length = 4096
)
$env:UTIL = if ($env:UTIL) { $env:UTIL } else { "0.85" }
$image = $env:IMAGE ?? "vllm/vllm-openai:v0.11.0"
$given = @(
  "--max-num-seqs", "8",
  "--dtype", "half"
)
docker run --gpus all $image `
  --model $model `
  --max-model-len $Length `
  --gpu-memory-utilization $($env:UTIL) @given
