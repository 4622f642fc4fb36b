FROM vllm/vllm-openai:v0.10.0
COPY <<EOF /opt/common.sh
MODEL=Qwen/Qwen3-8B
EOF
RUN cat <<'EOF' > /opt/run.sh
#!/bin/bash
exec vllm serve Qwen/Qwen3-8B \
  --max-num-seqs 8
EOF
ENTRYPOINT ["bash", "/opt/run.sh"]
