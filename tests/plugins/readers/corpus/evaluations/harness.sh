#!/bin/bash
export CUDA_VISIBLE_DEVICES=0,1
accelerate launch -m lm_eval --model vllm \
  --model_args pretrained=Qwen/Qwen3-8B,tensor_parallel_size=2,max_length=8192,enforce_eager=True,add_bos_token=True \
  --tasks gsm8k --batch_size auto
lm_eval --model vllm --model_args '{"pretrained": "Qwen/Qwen3-14B", "max_model_len": 4096, "trust_remote_code": true}' --tasks mmlu
lm_eval --model vllm --model_args "$GIVEN" --tasks mmlu
lm_eval --model hf --model_args pretrained=gpt2 --tasks mmlu
lm_eval --model local-completions --model_args model=x,base_url=http://localhost:8000/v1/completions
