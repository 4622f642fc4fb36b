export CUDA_VISIBLE_DEVICES=0
ray start --head --port 6379
# on the second machine: ray start --address=10.0.0.1:6379
vllm serve Qwen/Qwen2.5-14B-Instruct --tensor-parallel-size 1 --pipeline-parallel-size 2
