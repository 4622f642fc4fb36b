resource "runpod_pod" "engine" {
  name        = "engine"
  image_name  = "vllm/vllm-openai:v0.10.1"
  docker_args = "--model Qwen/Qwen3-14B --max-model-len 8192"
  gpu_type_ids = ["NVIDIA GeForce RTX 4090"]
  gpu_count   = 1
}

resource "somebody_deployment" "bare" {
  container_image = "vllm/vllm-openai"
}
