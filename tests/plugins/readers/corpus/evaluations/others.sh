#!/bin/sh
swift deploy --model Qwen/Qwen3-8B --infer_backend vllm --max_model_len 8192
trl vllm-serve --model Qwen/Qwen3-8B --tensor_parallel_size 2
python3 -m verl.trainer.main_ppo actor_rollout_ref.rollout.name=vllm actor_rollout_ref.model.path=Qwen/Qwen3-8B
llamafactory-cli api model.yaml infer_backend=vllm
python main.py --model vllm --model_args pretrained=Qwen/Qwen3-8B,tensor_parallel_size=2
# clients of a server that runs elsewhere
python benchmark_serving.py --backend vllm --model Qwen/Qwen3-8B
vllm bench serve --backend vllm --model Qwen/Qwen3-8B
python eval.py --backend vllm --base-url http://localhost:8000/v1
