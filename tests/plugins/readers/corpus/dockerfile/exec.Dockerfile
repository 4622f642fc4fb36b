FROM vllm/vllm-openai:v0.8.5.post1
EXPOSE 8000
CMD ["--model", "mistralai/Mistral-7B-Instruct-v0.3", "--max-model-len", "4096"]
