"""Ten thousand estimates as lines of JSON, and what differs between two such files.

    python -m tests.regression.estimates dump before.jsonl --count 10000 [--configs FOLDER]
    python -m tests.regression.estimates compare before.jsonl after.jsonl

Made before and after a change of the code's shape: whatever is not equal was changed on purpose, or is a fault. The
draws depend on the seed, the catalog and the profiles' names alone, never on the code that answers.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import vram
from vram.checkpoint.catalog import list_catalog

_ROOT = Path(__file__).parents[2]
_VERSIONS = (
    "0.6.6",
    "0.7.3",
    "0.8.5",
    "0.9.2",
    "0.10.2",
    "0.11.2",
    "0.14.1",
    "0.20.2",
    "0.24.0",
    "0.27.0",
    "0.29.0",
    None,
)
_SHOWN = 12


def _gpus() -> list[str]:
    names = []
    for path in sorted((_ROOT / "overhead_profiles").glob("*.toml")):
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        names += [gpu["name"] for gpu in content.get("gpu", content.get("gpus", ()))]
    return names


def _often(draw: random.Random, chance: float, value: Any) -> Any:
    return value if draw.random() < chance else None


def arguments(draw: random.Random) -> dict[str, Any]:
    """One deployment: most arguments are left to vLLM most of the time, as people leave them."""
    version = draw.choice(_VERSIONS) if draw.random() < 0.4 else None
    chosen: dict[str, Any] = {
        "vllm_version": version,
        "tensor_parallel_size": draw.choice((1, 1, 1, 2, 4, 8)),
        "pipeline_parallel_size": _often(draw, 0.1, draw.choice((2, 3))),
        "data_parallel_size": _often(draw, 0.06, 2),
        "enable_expert_parallel": _often(draw, 0.1, True),
        "max_model_len": draw.choice((None, -1, 512, 2048, 4096, 8192, 16384, 32768, 65536, 131072)),
        "max_num_seqs": _often(draw, 0.2, draw.choice((1, 8, 64, 300, 2048))),
        "max_num_batched_tokens": _often(draw, 0.15, draw.choice((512, 4096, 16384))),
        "gpu_memory_utilization": _often(draw, 0.2, draw.choice((0.5, 0.8, 0.95))),
        "kv_cache_dtype": _often(draw, 0.2, draw.choice(("fp8", "fp8_e5m2", "bfloat16"))),
        "quantization": _often(draw, 0.08, draw.choice(("fp8", "bitsandbytes"))),
        "dtype": _often(draw, 0.05, draw.choice(("float16", "float32"))),
        "enforce_eager": _often(draw, 0.15, True),
        "enable_lora": _often(draw, 0.05, True),
        "max_loras": _often(draw, 0.05, 4),
        "cpu_offload_gb": _often(draw, 0.05, 4.0),
        "block_size": _often(draw, 0.06, draw.choice((32, 64))),
        "enable_prefix_caching": _often(draw, 0.08, False),
        "enable_chunked_prefill": _often(draw, 0.06, draw.choice((True, False))),
        "disable_hybrid_kv_cache_manager": _often(draw, 0.05, True),
        "kv_cache_memory_bytes": _often(draw, 0.03, 4 * 2**30),
        "num_gpu_blocks_override": _often(draw, 0.03, 2048),
        "decode_context_parallel_size": _often(draw, 0.02, 2),
        "speculative_config": _often(draw, 0.05, {"method": "ngram", "num_speculative_tokens": 3}),
        "limit_mm_per_prompt": _often(
            draw, 0.08, draw.choice(({"image": 2, "video": 0}, {"image": 0, "video": 0, "audio": 0}))
        ),
        "language_model_only": _often(draw, 0.04, True),
        "skip_mm_profiling": _often(draw, 0.04, True),
        "mm_encoder_tp_mode": _often(draw, 0.04, "data"),
        "concurrency": draw.choice((1, 1, 1, 4, 32, 200)),
    }
    return {name: value for name, value in chosen.items() if value is not None}


def cases(count: int, seed: int, folders: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """`count` calls of `vram.estimate`, each as its arguments."""
    draw = random.Random(seed)
    models = sorted(entry.id for entry in list_catalog()) + sorted(folders)
    gpus = _gpus()
    for _ in range(count):
        yield {"model": draw.choice(models), "gpu": draw.choice(gpus), **arguments(draw)}


def _answered(case: dict[str, Any]) -> dict[str, Any]:
    try:
        estimate = vram.estimate(**case)
    except vram.VramError as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {**estimate.to_dict(), "explanation": list(estimate.explanation)}


def dump(path: Path, count: int, seed: int, configs: Path | None) -> None:
    """Write `count` questions with their answers."""
    folders = sorted(str(found.parent) for found in configs.glob("*/config.json")) if configs else []
    with path.open("w", encoding="utf-8") as file:
        for case in cases(count, seed, tuple(folders)):
            file.write(json.dumps({"case": case, "answer": _answered(case)}, sort_keys=True) + "\n")


def _leaves(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _leaves(item, f"{at}.{name}" if at else name)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _leaves(item, f"{at}[{number}]")
    else:
        yield at, value


def compare(before: Path, after: Path, *, every: bool, leave_out: tuple[str, ...]) -> int:
    """Print which fields of which answers differ, but for those left out; the number of answers that do."""
    fields: Counter[str] = Counter()
    different = total = 0
    with before.open(encoding="utf-8") as old, after.open(encoding="utf-8") as new:
        for first, second in zip(old, new, strict=True):
            total += 1
            if first == second:
                continue
            one, two = json.loads(first), json.loads(second)
            if one["case"] != two["case"]:
                sys.exit("the two files do not ask the same questions")
            left, right = dict(_leaves(one["answer"])), dict(_leaves(two["answer"]))
            changed = [
                name for name in left | right if left.get(name) != right.get(name) and not name.startswith(leave_out)
            ]
            different += bool(changed)
            fields.update(name.split("[")[0] for name in changed)
            if changed and (every or different <= _SHOWN):
                print(json.dumps(one["case"]))
                for name in changed[: None if every else _SHOWN]:
                    print(f"    {name}: {left.get(name)!r} -> {right.get(name)!r}")
    print(f"{different} of {total} answers differ")
    for name, number in fields.most_common():
        print(f"{number:7} {name}")
    return different


def main() -> None:
    """The two commands of the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    dumping = commands.add_parser("dump")
    dumping.add_argument("path", type=Path)
    dumping.add_argument("--count", type=int, default=10_000)
    dumping.add_argument("--seed", type=int, default=13)
    dumping.add_argument("--configs", type=Path, default=None)
    comparing = commands.add_parser("compare")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    comparing.add_argument("--without", nargs="*", default=[], help="fields to leave out, as provenance")
    comparing.add_argument("--all", action="store_true", dest="every")
    asked = parser.parse_args()
    if asked.command == "dump":
        dump(asked.path, asked.count, asked.seed, asked.configs)
    else:
        sys.exit(1 if compare(asked.before, asked.after, every=asked.every, leave_out=tuple(asked.without)) else 0)


if __name__ == "__main__":
    main()
