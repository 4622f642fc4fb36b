#!/bin/bash
MODEL="Qwen/Qwen3-8B"
USER_DATA=$(cat <<'END_OF_DATA'
#!/bin/bash
case "$1" in
  start) echo "it's (nearly) up";;
esac
cat > /etc/systemd/system/vllm.service <<'UNIT'
[Service]
ExecStart=/usr/bin/docker run --gpus all vllm/vllm-openai:v0.11.0 \
  --model Qwen/Qwen3-4B --max-model-len 8192
UNIT
END_OF_DATA
)
cat > /etc/supervisor/conf.d/vllm.conf <<CONF
[program:vllm]
command=/opt/venv/bin/vllm serve ${MODEL} --max-model-len 4096
CONF
gcloud compute instances create one --metadata startup-script="$USER_DATA"
