FROM vllm/vllm-openai:latest
ARG MODEL
CMD ["--model", "$MODEL"]
