{ config, pkgs, ... }:
let
  port = 8080;
  repository = "vllm/vllm-openai"; # whose "tag" is below
  tag = "v0.11.0";
  model = "Qwen/Qwen3-8B";
in
{
  virtualisation.oci-containers.containers.chat = {
    image = "docker.io/${repository}:${tag}";
    devices = [ "nvidia.com/gpu=all" ];
    volumes = [ "${config.users.users.me.home}/hf:/hf" ];
    cmd = [
      # its model
      "${model}"
      "--port=${toString port}"
      "--max-model-len=4096"
    ];
  };
  systemd.services.small = {
    serviceConfig.ExecStart = "${pkgs.vllm}/bin/vllm serve Qwen/Qwen3-0.6B --max-model-len 1024";
  };
}
