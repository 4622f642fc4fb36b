import subprocess

KINDS = {
    "chat": {
        "port": 9001,
        "start": ["/opt/venv/bin/vllm", "serve", "microsoft/phi-4", "--port", "9001", "--max-model-len", "8192"],
    },
    "images": {"start": ["python", "diffuse.py"]},
    "embed": {
        "start": ["python3", "-m", "vllm.entrypoints.openai.api_server", "--model", "BAAI/bge-m3", "--enforce-eager"],
    },
}


def start(kind: str) -> None:
    subprocess.Popen(KINDS[kind]["start"])
