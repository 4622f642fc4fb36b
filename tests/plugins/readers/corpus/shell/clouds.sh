#!/bin/bash
gcloud run deploy small --image=vllm/vllm-openai:v0.11.0 --gpu=1 --gpu-type=nvidia-l4 \
  --args="--model=Qwen/Qwen3-4B,--max-model-len=4096" --set-env-vars=HF_HUB_OFFLINE=1
gcloud beta run deploy large --image us-docker.pkg.dev/some/where/vllm-openai:latest --gpu 1 \
  --command "vllm,serve" --args="^;^google/gemma-3-4b-it;--limit-mm-per-prompt;{\"image\":1,\"video\":0}"
aws ec2 run-instances --instance-type g6.12xlarge --user-data '#!/bin/bash
docker run --gpus all vllm/vllm-openai:v0.12.0 --model Qwen/Qwen3-30B-A3B --tensor-parallel-size 4'
gcloud compute instances create gpu-vm --machine-type=a2-ultragpu-1g \
  --metadata=startup-script='#!/bin/bash
vllm serve Qwen/Qwen3-32B'
