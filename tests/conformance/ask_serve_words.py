"""Ask vLLM's own parser of `vllm serve` what it reads in words as people type them, or with which sentence it stops.

    python -m tests.conformance.ask_serve_words tests/data/vllm_serve_forms.json     # in an environment with vLLM 0.33

Each case of the file has `words`; vLLM's values of the names in `asked` are added as `read`, or its sentence as `stops`.
Needs no GPU.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from pathlib import Path

from tests.conformance.ask_serve_flags import serve_parser


def main(path: Path) -> None:
    """Add what vLLM says to every case of the file."""
    parser = serve_parser()
    cases = json.loads(path.read_text())
    for case in cases:
        said = io.StringIO()
        case.pop("read", None)
        case.pop("stops", None)
        try:
            with contextlib.redirect_stderr(said):
                found = vars(parser.parse_args(case["words"]))
        except SystemExit:
            case["stops"] = said.getvalue().strip().splitlines()[-1].split("error: ", 1)[-1]
        else:
            case["read"] = {name: _plain(found[name]) for name in case["asked"]}
    path.write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")


def _plain(value: object) -> object:
    if isinstance(value, dict | list | str | int | float | bool | None):
        return value
    return str(value) if not hasattr(value, "backend") else {"backend": getattr(value.backend, "name", None)}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
