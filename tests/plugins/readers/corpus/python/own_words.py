"""vLLM's own parser, with words that the program gives it."""

import uvloop
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.entrypoints.openai.api_server import run_server
from vllm.entrypoints.openai.cli_args import make_arg_parser
from vllm.utils import FlexibleArgumentParser


def arguments(model, quantization=None):
    parser = make_arg_parser(FlexibleArgumentParser())
    words = ["--model", model, "--max-model-len", str(4 * 1024), "--enforce-eager", "--dtype=half"]
    if quantization is not None:
        words += ["--quantization", quantization]
    args = parser.parse_args(words)
    args.max_num_seqs = 32
    return AsyncEngineArgs.from_cli_args(args)


def serve():
    parser = make_arg_parser(FlexibleArgumentParser())
    parser.set_defaults(model="Qwen/Qwen3-0.6B")
    args = parser.parse_args()
    uvloop.run(run_server(args))


def bare():
    parser = AsyncEngineArgs.add_cli_args(FlexibleArgumentParser())
    args = parser.parse_args()
    return AsyncEngineArgs.from_cli_args(args)


first = arguments("Qwen/Qwen3-8B-AWQ", "awq")
