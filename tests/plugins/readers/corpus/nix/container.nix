{ lib, config, ... }:
{
  virtualisation.oci-containers.containers = {
    # image = "vllm/vllm-openai:v0.9.0";
    qwen = {
      image = "vllm/vllm-openai:v0.11.0";
      cmd = [
        "--model" "Qwen/Qwen3-8B"
        "--max-model-len" "8192"   # enough
        "--compilation-config" "{\"mode\": 3}"
      ];
      environment = { HF_HOME = "/cache"; };
      extraOptions = [ "--device=nvidia.com/gpu=all" ];
    };
  };
}
