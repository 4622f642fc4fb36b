import argparse
from vllm import AsyncLLMEngine
from vllm.engine.arg_utils import AsyncEngineArgs as Args


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="meta-llama/Llama-3.1-8B-Instruct")
    parser.add_argument("--max-len", type=int, default=4096)
    parser.add_argument("--tp", type=int, required=True)
    return parser.parse_args()


args = options()
small = Args(model=args.model, max_model_len=args.max_len)
large = Args(model=args.model, tensor_parallel_size=args.tp)
engine = AsyncLLMEngine.from_engine_args(small)
