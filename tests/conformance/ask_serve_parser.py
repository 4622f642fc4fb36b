"""Ask vLLM's own parser of `vllm serve` what it reads in the words that `vram generate` writes.

    python ask_serve_parser.py tests/data/vllm_serve_words.json     # in an environment with vLLM 0.32

The file holds cases: engine arguments and, from this program, the words. What vLLM reads is added to each as `read`: the
values of the same names. A word that vLLM refuses ends the program. Needs no GPU.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

_vision = torch.library.Library("torchvision", "FRAGMENT")  # vLLM imports it; a build without CUDA lacks its operators
for _operator in ("nms", "qnms"):
    _vision.define(_operator + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def main(path: Path) -> None:
    """Add `read` to every case of the file."""
    sys.argv = ["vllm"]
    from vllm.entrypoints.launchers.cli_args import make_arg_parser
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    parser = make_arg_parser(FlexibleArgumentParser(prog="vllm serve"))
    cases = json.loads(path.read_text())
    for case in cases:
        read = vars(parser.parse_args(["some/model", *case["words"]]))
        case["read"] = {name: read[name] for name in case["engine_args"]}
        case["port"] = read["port"]
    path.write_text(json.dumps(cases, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
