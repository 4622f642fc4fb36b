"""Answers of aiconfigurator, one JSON line per question on standard input; run by the interpreter that has it installed.

A question is {"id", "model", "system", "isl", "osl", "batch", "tp", "pp", "kv", "packed"}. The answer has its TTFT and TPOT in ms and
output tokens/s of one replica, or "error". Measured operators of its tables alone (database mode SILICON), as its command has them.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any


def answered(question: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Its answer to one question."""
    from aiconfigurator.cli.api import cli_estimate

    asked: dict[str, Any] = {
        "model_path": question["model"], "system_name": question["system"], "backend_name": "vllm", "isl": question["isl"],
        "osl": max(2, question["osl"]), "batch_size": question["batch"], "tp_size": question["tp"], "pp_size": question["pp"],
    }  # fmt: skip
    if question.get("kv") == "fp8":
        asked["kvcache_quant_mode"] = "fp8"
    if question["packed"]:  # it reads no AWQ or GPTQ: its own word for weights of 4 bit, on the model without them
        plain = folder / question["id"]
        plain.mkdir()
        config = json.loads((Path(question["model"]) / "config.json").read_text())
        (plain / "config.json").write_text(json.dumps({k: v for k, v in config.items() if k != "quantization_config"}))
        asked |= {"model_path": str(plain), "gemm_quant_mode": "int4_wo", "moe_quant_mode": "int4_wo"}
    tp = question["tp"]
    refused = ""
    for layout in ({"moe_tp_size": tp, "moe_ep_size": 1}, {"moe_tp_size": 1, "moe_ep_size": tp}, {}):
        try:
            found = cli_estimate(**asked, **layout)
        except Exception as error:  # noqa: BLE001 - what it refuses for whatever reason is no answer
            refused = refused or f"{type(error).__name__}: {str(error)[:160]}"
            continue
        rate = float(found.seq_per_second) * question["osl"]
        return {"id": question["id"], "ttft": float(found.ttft), "tpot": float(found.tpot), "output_tokens_per_s": rate}
    return {"id": question["id"], "error": refused}


def main() -> None:
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    out, sys.stdout = sys.stdout, sys.stderr  # it prints
    with tempfile.TemporaryDirectory() as folder:
        for line in sys.stdin:
            print(json.dumps(answered(json.loads(line), Path(folder))), file=out, flush=True)


if __name__ == "__main__":
    main()
