{ config, ... }:
{
  virtualisation.oci-containers.containers.llm = {
    image = "vllm/vllm-openai:latest";
    cmd = [ "--model" "${config.llm.model}" ];
  };
}
