{ pkgs, ... }:
let
  serve = pkgs.writeShellScriptBin "serve" ''
    LENGTH=4096
    exec ${pkgs.vllm}/bin/vllm serve Qwen/Qwen3-8B \
      --max-model-len ''${LENGTH} --dtype half
  '';
in
{ systemd.user.services.chat.Service.ExecStart = "${serve}/bin/serve"; }
