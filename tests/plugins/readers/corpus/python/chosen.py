import argparse

from vllm import LLM

parser = argparse.ArgumentParser()
parser.add_argument("--use_engine", action="store_true")
parser.add_argument("--eager", action="store_true")
parser.add_argument("--small", action="store_true")
args = parser.parse_args()

given = {"max_model_len": 4096}
if args.eager:
    given["enforce_eager"] = True
if args.use_engine:
    llm = LLM("Qwen/Qwen3-8B", **given)
if args.small:
    other = LLM("Qwen/Qwen3-0.6B")
else:
    other = LLM("Qwen/Qwen3-4B")
