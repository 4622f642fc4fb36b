FROM nvidia/cuda:12.4.1-devel-ubuntu22.04 AS base
ENV HF_HOME=/models TP="2"
RUN pip install --no-cache-dir "vllm==0.11.0" \
 && rm -rf /var/cache
RUN <<SETUP
CMD not an instruction
SETUP
FROM base AS serve
ENTRYPOINT ["/bin/sh", "-c", "exec vllm serve Qwen/Qwen3-32B --tensor-parallel-size $TP"]
