"""Answers of aiconfigurator, one JSON line per question on standard input; run by the interpreter that has it installed.

A question is {"id", "model", "system", "isl", "osl", "batch", "tp", "pp", "kv"}. The answer has its TTFT and TPOT in ms and output
tokens/s of one replica, or "error". Measured operators of its tables alone (database mode SILICON), as its command has them.
"""

from __future__ import annotations

import json
import logging
import sys
import warnings
from typing import Any


def answered(question: dict[str, Any]) -> dict[str, Any]:
    """Its answer to one question."""
    from aiconfigurator.cli.api import cli_estimate

    asked = {
        "model_path": question["model"], "system_name": question["system"], "backend_name": "vllm", "isl": question["isl"],
        "osl": max(2, question["osl"]), "batch_size": question["batch"], "tp_size": question["tp"], "pp_size": question["pp"],
    }  # fmt: skip
    if question.get("kv") == "fp8":
        asked["kvcache_quant_mode"] = "fp8"
    try:
        found = cli_estimate(**asked, moe_tp_size=question["tp"], moe_ep_size=1)
    except Exception:  # noqa: BLE001 - what it refuses for whatever reason is no answer
        try:
            found = cli_estimate(**asked)
        except Exception as error:  # noqa: BLE001
            return {"id": question["id"], "error": f"{type(error).__name__}: {str(error)[:160]}"}
    return {
        "id": question["id"],
        "ttft": float(found.ttft),
        "tpot": float(found.tpot),
        "output_tokens_per_s": float(found.seq_per_second) * question["osl"],
    }


def main() -> None:
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    out, sys.stdout = sys.stdout, sys.stderr  # it prints
    for line in sys.stdin:
        print(json.dumps(answered(json.loads(line))), file=out, flush=True)


if __name__ == "__main__":
    main()
