"""How long a matrix takes, and how much a cell costs compared with a whole answer. A script, not a test:

    python tests/benchmarks/compare_matrix.py            # 100 models × 40 GPUs × 4 parallel sizes
    python tests/benchmarks/compare_matrix.py --profile  # and where the time goes

Times are of this process's processor, so that other work on the machine does not count. Only bundled facts are read.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import time
from collections.abc import Callable

os.environ["HF_HUB_OFFLINE"] = "1"

_MODELS, _GPUS, _COUNTS = 100, 40, (1, 2, 4, 8)
_ANSWERS = 200


def spread(values: list[str], wanted: int) -> list[str]:
    """`wanted` of the values, evenly spread over the list."""
    return [values[index * len(values) // wanted] for index in range(wanted)]


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--profile", action="store_true")
    profiled = parser.parse_args().profile
    start = time.process_time()
    import vram
    from vram.checkpoint.catalog import list_catalog
    from vram.errors import VramError
    from vram.gpus.find import all_gpus
    from vram.plugin.manager import plugins

    models = spread([entry.id for entry in list_catalog()], _MODELS)
    gpus = spread([gpu.name for gpu in all_gpus(plugins().profiles) if gpu.kind != "partition"], _GPUS)
    loading = time.process_time() - start
    profile = cProfile.Profile()
    if profiled:
        profile.enable()
    first = seconds(lambda: vram.compare(models, gpus=gpus, counts=_COUNTS))
    profile.disable()
    again = seconds(lambda: vram.compare(models, gpus=gpus, counts=_COUNTS))
    cells = _MODELS * _GPUS * len(_COUNTS)

    def answers() -> None:
        for index in range(_ANSWERS):
            try:
                vram.estimate(models[index % _MODELS], gpu=gpus[index % _GPUS], tensor_parallel_size=1 + index % 2)
            except VramError:
                continue  # heads that do not divide

    answers()  # models opened, as they are in the second matrix
    answer = seconds(answers) / _ANSWERS
    print(f"{'':34}{'seconds':>9}{'per cell':>12}{'against a whole answer':>24}")
    print(f"{'loading plugins, GPUs, catalog':34}{loading:9.2f}")
    for name, taken in (("matrix, first time", first), ("matrix, again", again)):
        cell = taken / cells
        print(f"{name + f' ({cells:,} cells)':34}{taken:9.2f}{cell * 1e6:9.0f} µs{cell / answer:23.3f}x")
    print(f"{'one whole answer, with its words':34}{answer:9.4f}{answer * 1e6:9.0f} µs{1:23.3f}x")
    if profiled:
        pstats.Stats(profile).sort_stats("tottime").print_stats(30)


if __name__ == "__main__":
    main()
