"""Start-up, speed and memory in one run: `python -m tests.benchmarks`, from the root of the repository.

Machines differ and are shared: what counts are ratios of user CPU to `python -c "import click, attrs"`, medians of several runs.
`--tools DIR` is a virtual environment with other tools to run beside (vllm-wizard, hf-mem, modelinfo-cli, aiconfigurator).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.benchmarks.manifests import repository
from tests.benchmarks.models import DENSE, config_of, folder, largest_moe, with_one_file, with_sharded_index


class Taken(NamedTuple):
    """Medians of CPU, user CPU and wall seconds, peak memory in MiB, exit code."""

    cpu: float
    user: float
    wall: float
    memory: float
    code: int


SCRIPT = str(Path(sysconfig.get_path("scripts")) / "vram")


def main() -> int:
    """Measure and print; 1 where a budget is broken."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=25)
    options.add_argument("--tools", type=Path)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as work:
        os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HOME": f"{work}/hub", "PYTHONPYCACHEPREFIX": f"{work}/bytecode"}
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # as installed: bytecode is there
        folders = Path(work)
        config, moe = config_of(DENSE), config_of(largest_moe())
        dense = str(folder(folders / "dense", config))
        sparse = str(folder(folders / "moe", moe))
        index = str(with_sharded_index(folders / "index", moe, 90_000))
        stored = str(with_one_file(folders / "stored", config))
        good = [
            processes(chosen.runs, dense, sparse, index),
            advice(chosen.runs, sparse),
            library(config, moe),
            speeds(config, moe),
            checks(folders / "repository"),
        ]
        growth(config, moe)
        if chosen.tools:
            others(chosen.tools, chosen.runs, dense, stored)
    return 0 if all(good) else 1


def processes(runs: int, dense: str, sparse: str, index: str) -> bool:
    """Whole processes, as ratios to the smallest that could do this job."""
    estimate = [SCRIPT, "estimate"]
    rows: list[tuple[str, list[str], float | None]] = [
        ("python -c 'import click, attrs'", [sys.executable, "-c", "import click, attrs"], None),
        ("vram --help", [SCRIPT, "--help"], 2),
        ("vram estimate, 8B dense, from the catalog", [*estimate, DENSE, "--gpu", "H100"], 2),
        ("vram estimate, 8B dense, a folder", [*estimate, dense, "--gpu", "H100"], 2),
        ("vram estimate, 8B dense, --json", [*estimate, dense, "--gpu", "H100", "--json"], 2),
        ("vram estimate, largest MoE, TP 8", [*estimate, sparse, "--gpu", "B200", "--tp", "8"], 2),
        ("vram estimate, index of 90,000 tensors", [*estimate, index, "--gpu", "B200", "--tp", "8"], None),
        ("vram compare, 8B dense, every GPU", [SCRIPT, "compare", dense], None),
    ]
    print(f"{'process':42} {'user s':>7} {'ratio':>6} {'at most':>8} {'wall s':>7} {'MiB':>5}")
    base, good = 0.0, True
    taken = measured([command for _, command, _ in rows], runs)
    for (name, _, most), (_, user, wall, memory, code) in zip(rows, taken, strict=True):
        base = base or user
        broken = code or memory > 80 or (most is not None and user / base > most)
        good = good and not broken
        limit = f"{most:g}" if most else ""
        print(
            f"{name:42} {user:7.3f} {user / base:6.2f} {limit:>8} {wall:7.3f} {memory:5.0f}{'  BROKEN' if broken else ''}"
        )
    return good


#: the same command with no way out looked for
_WITHOUT = "from vram.ask.changes import offer; offer.with_changes = lambda _, verdict: verdict; from vram.cli import main; main()"


def advice(runs: int, sparse: str) -> bool:
    """Refused deployments with their ways out beside the same answers without, and a plan of the largest model."""
    refused = (
        [DENSE, "--gpu", "RTX 4060"],
        [DENSE, "--gpu", "RTX 4090"],
        ["Qwen/Qwen3-32B", "--gpu", "RTX 4090"],
        [sparse, "--gpu", "H100", "--tp", "8"],
    )
    print(f"\n{'advice':42} {'user s':>7} {'ratio':>6} {'at most':>8}")
    good = True
    for asked in refused:
        command = ["estimate", *asked]
        without, known = measured([[sys.executable, "-c", _WITHOUT, *command], [SCRIPT, *command]], runs)
        ratio, broken = known.user / without.user, known.user > 1.3 * without.user or known.code
        good = good and not broken
        shown = " ".join(["vram estimate", Path(asked[0]).name, *asked[1:]])
        print(f"{shown:42} {known.user:7.3f} {ratio:6.2f} {1.3:8}{'  BROKEN' if broken else ''}")
    (planned,) = measured([[SCRIPT, "plan", sparse, "--gpu", "H100", "--gpus", "64"]], min(runs, 5))
    good = good and planned.user < 1
    print(f"{'vram plan, largest MoE, 64 × H100, at most 1 s':42} {planned.user:7.3f}")
    return good


def measured(commands: list[list[str]], runs: int) -> list[Taken]:
    """What commands take that are compared with each other, by `measure.py`."""
    program = [sys.executable, "-I", "-S", str(Path(__file__).with_name("measure.py")), str(runs), json.dumps(commands)]
    done = subprocess.run(program, stdout=subprocess.PIPE, check=True)
    return [Taken(*each) for each in json.loads(done.stdout)]


def checks(at: Path) -> bool:
    """`vram check` over repositories of as many files, nine in ten with a server whose question nobody else asks."""
    sizes = (100, 1000)
    commands = [[SCRIPT, "check", str(repository(at / str(size), size)), "--gpu", "H100", *form]
                for size in sizes for form in ((), ("--json",))]  # fmt: skip
    print(f"\n{'vram check':42} {'user s':>7} {'ms/file':>8} {'at most':>8} {'wall s':>7} {'MiB':>5}")
    good = True
    for command, (_, user, wall, memory, code) in zip(commands, measured(commands, 3), strict=True):
        size = int(Path(command[2]).name)
        broken = code not in (0, 1) or memory > 80 or (size == max(sizes) and user / size > 0.01)
        good = good and not broken
        name = f"{size:,} files{', --json' if '--json' in command else ''}"
        limit = "10" if size == max(sizes) else ""
        print(
            f"{name:42} {user:7.2f} {user / size * 1e3:8.1f} {limit:>8} {wall:7.2f} {memory:5.0f}{'  BROKEN' if broken else ''}"
        )
    return good


def library(dense: dict[str, Any], moe: dict[str, Any]) -> bool:
    """Estimates per second on one core: the first of a model, and the next ones at other lengths and users."""
    print(f"\n{'library':42} {'cold ms':>8} {'warm/s':>8} {'at least':>9}")
    rows: tuple[tuple[str, dict[str, Any], dict[str, Any], int], ...] = (
        ("8B dense, H100", dense, {"gpu": "H100"}, 2000),
        ("8B dense, RTX 4060: refused, with fixes", dense, {"gpu": "RTX 4060"}, 0),
        ("largest MoE, B200, TP 8", moe, {"gpu": "B200", "tensor_parallel_size": 8}, 300),
        ("largest MoE, H200, TP 8 × PP 4, experts", moe,
         {"gpu": "H200", "tensor_parallel_size": 8, "pipeline_parallel_size": 4, "enable_expert_parallel": True}, 300),
    )  # fmt: skip
    good = True
    for name, config, arguments, least in rows:
        cold, warm = rates(config, arguments)
        good = good and warm >= least
        print(f"{name:42} {cold * 1e3:8.1f} {warm:8.0f} {least or '':>9}{'' if warm >= least else '  BROKEN'}")
    for processes in (1, 2):
        print(
            f"{f'a sweep of 4,000 questions, {processes} at work, wall':42} {'':8} {sweep_rate(dense, processes):8.0f}"
        )
    return good


def sweep_rate(config: dict[str, Any], processes: int) -> float:
    """Questions a second of `estimate_many` on the clock, starting its processes included."""
    import vram

    model = checkpoint(config)
    asked = [
        {"model": model, "gpu": gpu, "max_model_len": 1024 + 32 * i}
        for gpu in ("H100", "RTX 4060")
        for i in range(2_000)
    ]
    begun = time.monotonic()
    vram.estimate_many(asked, processes=processes)
    return len(asked) / (time.monotonic() - begun)


def rates(config: dict[str, Any], arguments: dict[str, Any]) -> tuple[float, float]:
    """CPU seconds of a model's first estimate once plugins are loaded, and the median rate of five times 200 others."""
    import vram

    vram.estimate(checkpoint({**config, "num_hidden_layers": 1}), gpu=arguments["gpu"])
    model = checkpoint(config)
    with timed() as first:
        vram.estimate(model, **arguments)
    times = []
    for batch in range(5):
        with timed() as spent:
            for i in range(200):
                vram.estimate(model, max_model_len=1024 + 37 * i + batch, concurrency=1 + i % 17, **arguments)
        times.append(spent[0])
    return first[0], 200 / statistics.median(times)


def speeds(dense: dict[str, Any], moe: dict[str, Any]) -> bool:
    """Milliseconds of CPU of one answer about speed, where the estimate's parts are at hand."""
    from vram.advise import performance_of
    from vram.ask import ask
    from vram.components import compute
    from vram.models.performance import Workload

    print(f"\n{'speed of a deployment':42} {'ms':>8} {'at most':>8}")
    loads: tuple[tuple[str, dict[str, Any], float], ...] = (
        ("64 clients", {"concurrency": 64}, 2),
        ("2,000 clients", {"concurrency": 2000}, 2),
        ("5 requests/s, 200 of them", {"request_rate": 5.0}, 30),
        ("100 requests/s, 1,000 of them", {"request_rate": 100.0, "requests": 1000}, 100),
        ("a burst of 500", {"concurrency": 500, "burst": True}, 50),
    )
    good = True
    for name, config, arguments in (
        ("8B", dense, {"gpu": "H100"}),
        ("MoE", moe, {"gpu": "B200", "tensor_parallel_size": 8}),
    ):
        parts = compute(ask(checkpoint(config), **arguments))
        for words, load, most in loads:
            times = []
            for _ in range(7):
                with timed() as spent:
                    performance_of(parts, Workload(prompt_tokens=1000, gen_tokens=200, **load))
                times.append(spent[0] * 1e3)
            taken = statistics.median(times)
            good = good and taken <= most
            print(f"{f'{name}, {words}':42} {taken:8.2f} {most:8g}{'' if taken <= most else '  BROKEN'}")
    return good


def checkpoint(config: dict[str, Any]) -> Any:
    """An opened model that no cache has seen."""
    from vram.checkpoint.quantization_block import block_of
    from vram.models.checkpoint import Checkpoint
    from vram.models.config import ModelConfig

    read = ModelConfig(raw=config)
    return Checkpoint(id="benchmark", source="local", config=read, quantization=block_of(read))


@contextmanager
def timed() -> Iterator[list[float]]:
    """CPU seconds of a block, in a list."""
    spent = [0.0]
    start = time.process_time()
    yield spent
    spent[0] = time.process_time() - start


def growth(dense: dict[str, Any], moe: dict[str, Any]) -> None:
    """A first estimate's cost against layers, experts and distinct layers, relative to the first of each row."""
    import vram

    def distinct(count: int) -> dict[str, Any]:
        """64 layers of Llama-Nemotron's kind with `count` different MLP widths."""
        blocks = [
            {"attention": {"n_heads_in_group": 8}, "ffn": {"ffn_mult": 1.0 + (i % count) / 16}} for i in range(64)
        ]
        return {
            "architectures": ["DeciLMForCausalLM"], "hidden_size": 4096, "num_attention_heads": 32, "num_hidden_layers": 64,
            "block_configs": blocks,
            "num_key_value_heads": None, "vocab_size": 32000, "max_position_embeddings": 4096, "torch_dtype": "bfloat16",
        }  # fmt: skip

    experts = next(name for name in ("n_routed_experts", "num_experts", "num_local_experts") if name in moe)
    rows: tuple[tuple[str, tuple[int, ...], Callable[[int], dict[str, Any]]], ...] = (
        ("layers, all alike", (8, 32, 128, 512), lambda n: {**dense, "num_hidden_layers": n}),
        ("experts per layer", (64, 256, 1024, 4096), lambda n: {**moe, experts: n}),
        ("distinct layers of 64", (1, 4, 16, 64), distinct),
    )
    print(f"\n{'a first estimate grows with':30} {'':34} CPU, relative")
    for name, sizes, build in rows:
        costs = [_first(vram, build(size)) for size in sizes]
        print(
            f"{name:30} {sizes!s:34} {', '.join(f'{cost / costs[0]:.2f}' for cost in costs)}   (1 = {costs[0] * 1e3:.1f} ms)"
        )


def _first(vram: Any, config: dict[str, Any]) -> float:
    """Median CPU seconds of 15 first estimates."""
    times = []
    for _ in range(15):
        model = checkpoint(config)
        with timed() as spent:
            vram.estimate(model, gpu="B200", max_model_len=4096)
        times.append(spent[0])
    return statistics.median(times)


def others(tools: Path, runs: int, dense: str, stored: str) -> None:
    """Other tools on the same models, offline: user CPU relative to `vram` on the same input."""
    at = tools / "bin"
    own = [SCRIPT, "estimate"]
    rows = (
        ("vllm-wizard", [str(at / "vllm-wizard"), "plan", "--model", dense, "--vram-gb", "80"], [*own, dense, "--gpu", "H100"]),
        ("modelinfo", [str(at / "modelinfo"), f"{stored}/model.safetensors", "--gpu", "H100"], [*own, stored, "--gpu", "H100"]),
        ("aiconfigurator", [
            str(at / "aiconfigurator"), "cli", "support", "--model-path", dense, "--system", "h100_sxm",
        ], [*own, dense, "--gpu", "H100"]),
        ("hf-mem --help (it needs the network)", [str(at / "hf-mem"), "--help"], [SCRIPT, "--help"]),
        ("aiconfigurator --help", [str(at / "aiconfigurator"), "--help"], [SCRIPT, "--help"]),
    )  # fmt: skip
    print(f"\n{'beside other tools':42} {'user s':>7} {'vram':>7} {'ratio':>6} {'MiB':>5}")
    for name, command, ours in rows:
        if not Path(command[0]).exists():
            continue
        theirs, mine = measured([command, ours], runs)
        failed = f"  (exit code {theirs.code})" if theirs.code else ""
        print(
            f"{name:42} {theirs.user:7.3f} {mine.user:7.3f} {theirs.user / mine.user:6.1f} {theirs.memory:5.0f}{failed}"
        )


if __name__ == "__main__":
    sys.exit(main())
