FROM lmsysorg/sglang:v0.4.9-cu126
CMD ["python3", "-m", "sglang.launch_server", "--model-path", "Qwen/Qwen3-8B"]
