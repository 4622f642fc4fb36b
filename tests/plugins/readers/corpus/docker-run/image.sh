IMAGE=vllm/vllm-openai:v0.11.0
sudo podman run --device nvidia.com/gpu=all -it "$IMAGE" Qwen/Qwen3-4B --max-model-len 4096
docker run --gpus 1 --entrypoint bash vllm/vllm-openai:latest -c "pip install timm && vllm serve OpenGVLab/InternVL3-8B --trust-remote-code"
docker run --gpus all registry.example.com/llm-server:3 --model a/b --max-model-len 2048
docker run --gpus all -p 8080:80 ghcr.io/huggingface/text-generation-inference:3.0 --model-id a/b
docker run --gpus all nvidia/cuda:12.4.0-base-ubuntu22.04 nvidia-smi
docker exec -it box vllm serve Qwen/Qwen3-1.7B
