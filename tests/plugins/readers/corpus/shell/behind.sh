dotenvx run -- apptainer run --nv docker://vllm/vllm-openai:v0.11.0 --model Qwen/Qwen3-8B --tensor-parallel-size 2
op run --env-file=.env -- docker run --gpus '"device=0"' --rm vllm/vllm-openai:v0.12.0 Qwen/Qwen3-4B
aws-vault exec lab -- uv run vllm serve Qwen/Qwen3-0.6B
git checkout -- vllm
