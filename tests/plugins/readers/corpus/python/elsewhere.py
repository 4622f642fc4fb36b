"""Starts vLLM."""

import subprocess

from settings import CLIENT_ARGS, VLLM_BENCH_ARGS, VLLM_SERVER_ARGS


def start():
    subprocess.run(CLIENT_ARGS)
    subprocess.run(VLLM_BENCH_ARGS)
    return subprocess.Popen(VLLM_SERVER_ARGS)
