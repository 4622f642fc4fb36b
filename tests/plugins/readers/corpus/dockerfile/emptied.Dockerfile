FROM vllm/vllm-openai:v0.11.0
ENTRYPOINT []
COPY handler.py /srv/handler.py
CMD ["python3", "-u", "/srv/handler.py"]
