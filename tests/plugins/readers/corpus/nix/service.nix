{ pkgs, ... }:
let model = "Qwen/Qwen3-8B"; in
{
  systemd.services.llm.serviceConfig.ExecStart = ''
    ${pkgs.vllm}/bin/vllm serve ${model} --max-model-len 8192
  '';
}
