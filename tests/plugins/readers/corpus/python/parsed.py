from vllm import LLM, EngineArgs
from vllm.utils import FlexibleArgumentParser


def parse():
    parser = FlexibleArgumentParser()
    parser = EngineArgs.add_cli_args(parser)
    parser.set_defaults(model="BAAI/bge-m3", runner="pooling", enforce_eager=True)
    group = parser.add_argument_group("ours")
    group.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def main(args):
    given = vars(args)
    rounds = given.pop("rounds")
    llm = LLM(**given)
    return llm, rounds


main(parse())
