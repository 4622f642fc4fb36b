{% if runtime == "docker" %}
docker run -d {{ '--gpus all' if gpu else '' }} -p {{ port }}:8000 vllm/vllm-openai:v0.11.0 --model {{ model }}
{% endif %}
