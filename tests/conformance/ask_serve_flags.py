"""Ask vLLM's own parser of `vllm serve` what flags it has: every spelling, and what follows it.

    python -m tests.conformance.ask_serve_flags > tests/data/vllm_serve_parser_0.33.0.json   # in an environment with vLLM
    python -m tests.conformance.ask_serve_flags short > tests/data/vllm_serve_short_0.33.0.json

One line is one flag: its spellings as the parser finds them (hidden ones too), and switch, set, one, many or maybe, as
`core/vram/models/serve_flags.txt` has them; with `short`, each long spelling beside the shortest word that the parser takes for
it. Needs no GPU.
"""

from __future__ import annotations

import argparse
import json
import sys

import torch

_vision = torch.library.Library("torchvision", "FRAGMENT")  # vLLM imports it; a build without CUDA lacks its operators
for _operator in ("nms", "qnms"):
    _vision.define(_operator + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def rows(parser: argparse.ArgumentParser) -> list[tuple[list[str], str]]:
    """Every flag of a parser but --help."""
    spelt: dict[str, list[str]] = {}
    for spelling, action in parser._option_string_actions.items():  # the only place that has hidden spellings
        spelt.setdefault(action.dest, []).append(spelling)
    actions = {action.dest: action for action in parser._actions if action.dest in spelt and action.dest != "help"}
    return sorted((sorted(spelt[name]), _takes(action)) for name, action in actions.items())


def _takes(action: argparse.Action) -> str:
    if action.nargs == 0:
        return "switch" if isinstance(action, argparse.BooleanOptionalAction) else "set"
    return {"+": "many", "*": "many", "?": "maybe"}.get(str(action.nargs), "one")


def shortest(parser: argparse.ArgumentParser) -> dict[str, str]:
    """For each long spelling, the shortest beginning that argparse takes for its flag and no other."""
    known = parser._option_string_actions
    found: dict[str, str] = {}
    for spelling in sorted(known):
        if not spelling.startswith("--"):
            continue
        for length in range(3, len(spelling) + 1):
            word = spelling[:length]
            matches = [(known[word],)] if word in known else parser._get_option_tuples(word)
            if len(matches) == 1 and matches[0][0] is known[spelling]:
                found[spelling] = word
                break
    return found


def serve_parser() -> argparse.ArgumentParser:
    """vLLM's own parser of `vllm serve`, made as on a machine without a GPU."""
    sys.argv = ["vllm"]
    import vllm.platforms
    from vllm.platforms.cpu import CpuPlatform

    vllm.platforms._current_platform = CpuPlatform()  # a GPU's wheel finds none here
    from vllm.entrypoints.common.cli_args import make_arg_parser
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    parser: argparse.ArgumentParser = make_arg_parser(FlexibleArgumentParser(prog="vllm serve"))
    return parser


def main() -> None:
    """Print the lines."""
    short = sys.argv[1:] == ["short"]
    parser = serve_parser()
    if short:
        print("{\n" + ",\n".join(f"{json.dumps(a)}: {json.dumps(b)}" for a, b in shortest(parser).items()) + "\n}")
        return
    found = rows(parser)
    print("[\n" + ",\n".join(json.dumps(row) for row in found) + "\n]")


if __name__ == "__main__":
    main()
