MODEL_ARGS="model_name=deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B,max_model_length=32768,data_parallel_size=4,generation_parameters={max_new_tokens:32768,top_p:0.95}"
lighteval vllm $MODEL_ARGS "lighteval|aime24|0|0" --use-chat-template
lighteval vllm config.yaml "lighteval|aime24|0|0"
