"""Speed beside aiconfigurator, on the published runs that both answer.

usage: python -m tests.benchmarks.beside_aiconfigurator RUNS.jsonl CONFIGS --tools VENV [--answers FILE]

VENV is an environment with aiconfigurator installed. Both are asked the same: model, GPU, layout, lengths, clients. It knows no arrivals
and no waiting: of runs at a rate it is told how many requests were in flight, as measured, which `vram` is not; and no more clients than
the cache holds by vram's plan. One vote per publisher, model, GPU and layout. `--answers` keeps its answers (they take seconds each) and
reads them the next time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from math import exp, log
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "calibration"))

from fit_speed import Published, judged, read_runs, share

from vram.advise.efficiency import efficiency_of

#: its systems by our names of GPUs
SYSTEMS = {
    "H100 80GB SXM": "h100_sxm",
    "H100 80GB PCIe": "h100_pcie",
    "H200": "h200_sxm",
    "B200": "b200_sxm",
    "A100 80GB SXM": "a100_sxm",
    "L40S": "l40s",
    "RTX PRO 6000 Blackwell Server Edition": "rtx_pro_6000_server",
    "RTX PRO 6000 Blackwell Workstation Edition": "rtx_pro_6000_server",
}
MEASURES = {"tpot": 1e3, "output_tokens_per_s": 1.0, "ttft": 1e3}


def question(one: Published, row: dict[str, Any], configs: Path) -> dict[str, Any]:
    """What it is asked of a run."""
    load, said = one.run.load, str(row.get("quantization") or row["config"]).lower()
    batch = max(1, min(load.concurrency, int(one.run.fits) or load.concurrency))
    return {
        "id": row["id"], "model": str(configs / row["config"]), "system": SYSTEMS[one.card], "isl": load.prompt_tokens,
        "osl": load.gen_tokens, "batch": batch, "tp": row.get("tensor_parallel_size") or 1,
        "pp": row.get("pipeline_parallel_size") or 1, "kv": row.get("kv_cache_dtype"),
        "packed": any(word in said for word in ("awq", "gptq", "int4", "w4a16")),
    }  # fmt: skip


def asked(questions: list[dict[str, Any]], tools: Path) -> dict[str, dict[str, Any]]:
    """Its answers by run."""
    program = str(Path(__file__).with_name("aiconfigurator_answers.py"))
    done = subprocess.run(
        [str(tools / "bin" / "python"), program],
        input="\n".join(json.dumps(each) for each in questions),
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True, env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    return {each["id"]: each for each in map(json.loads, done.stdout.splitlines())}


def main() -> None:
    """Ask, and print both side by side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path)
    parser.add_argument("configs", type=Path)
    parser.add_argument("--tools", type=Path, required=True)
    parser.add_argument("--answers", type=Path)
    given = parser.parse_args()
    rows = {row["id"]: row for row in map(json.loads, given.runs.read_text().splitlines())}
    runs = [one for one in read_runs(given.runs, given.configs, quiet=True) if one.card in SYSTEMS]
    if given.answers and given.answers.exists():
        theirs = {each["id"]: each for each in map(json.loads, given.answers.read_text().splitlines())}
    else:
        theirs = asked([question(one, rows[one.run.label], given.configs) for one in runs], given.tools)
        if given.answers:
            given.answers.write_text("".join(json.dumps(each) + "\n" for each in theirs.values()))
    refused = Counter(each["error"][:80] for each in theirs.values() if "error" in each)
    for words, count in refused.most_common():
        print(f"# not answered, {count} runs: {words}")
    both = [one for one in runs if "error" not in theirs[one.run.label]]
    print(f"{len(both)} of {len(runs)} runs on GPUs it knows are answered by both")
    for name, unit in MEASURES.items():
        ours: list[tuple[float, str]] = []
        other: list[tuple[float, str]] = []
        for one in both:
            errors, measured = judged(one, efficiency_of(one.generation)), getattr(one.run, name)
            if name in errors and theirs[one.run.label][name] > 0:
                ours.append((abs(errors[name]), one.group))
                other.append((abs(log(theirs[one.run.label][name] / (measured * unit))), one.group))
        for who, found in (("vram", ours), ("aiconfigurator", other)):
            size = Counter(group for _, group in found)
            weighted = [(error, 1 / size[group]) for error, group in found]
            if weighted:
                print(
                    f"{name:20} {who:15} runs {len(found):3} votes {len(size):3}  median {exp(share(weighted, 0.5)):.2f}  "
                    f"p90 {exp(share(weighted, 0.9)):.2f}"
                )


if __name__ == "__main__":
    main()
