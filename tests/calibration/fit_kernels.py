"""What kernels measured by themselves reach: the priors of `speed_priors.py`.

usage: VENV/bin/python tests/calibration/fit_kernels.py

VENV has aiconfigurator installed (0.12 was used; Apache-2.0), whose package brings tables of operators measured with vLLM: products by
type and shape, attention, experts, all-reduces. Per system and operator the form that the roofline uses is fitted, and printed as
shares of the datasheet: t = start + (memory³ + compute³)^(1/3). Products in 8-bit blocks are timed outside of CUDA graphs there, so only
large ones tell something. Nothing of the tables is kept.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import least_squares

#: dense 16-bit operations/s and bytes/s of the datasheets, and bytes/s of the link in one direction
SYSTEMS: dict[str, tuple[float, float, float]] = {
    "a100_sxm": (312e12, 2.039e12, 300e9), "h100_sxm": (989e12, 3.35e12, 450e9), "h200_sxm": (989e12, 4.8e12, 450e9),
    "b200_sxm": (2250e12, 8e12, 900e9), "b300_sxm": (2250e12, 8e12, 900e9), "gb200": (2500e12, 8e12, 900e9),
    "l40s": (362e12, 0.864e12, 31.5e9), "rtx_pro_6000_server": (503.8e12, 1.597e12, 63e9),
}  # fmt: skip
BYTES = {"bfloat16": 2.0, "float16": 2.0, "fp8": 1.0, "fp8_block": 1.0, "nvfp4": 0.5625}
_PACKED = 0.53


def tables(system: str, operator: str, name: str) -> pd.DataFrame | None:
    """The newest table of vLLM's for an operator; None where there is none."""
    found = importlib.util.find_spec("aiconfigurator_core")
    assert found is not None
    assert found.origin is not None
    folder = Path(found.origin).parent / "systems" / "data" / system / operator / "vllm"
    files = sorted(folder.glob(f"*/{name}.parquet"))
    return pd.read_parquet(files[-1]) if files else None


def fitted(form: Callable[[Any], Any], start: list[float], measured: Any) -> tuple[Any, Any]:
    """Parameters that minimise a robust error on logarithms, and the median and 90 % factor that is left."""

    def off(x: Any) -> Any:
        return np.log(form(np.exp(x)) / measured)

    found = least_squares(off, np.log(start), loss="soft_l1", f_scale=0.2)
    return np.exp(found.x), np.exp(np.quantile(np.abs(off(found.x)), [0.5, 0.9]))


def joined(memory: Any, compute: Any) -> Any:
    return (memory**3 + compute**3) ** (1 / 3)


def products(system: str) -> Iterator[tuple[str, Any, Any]]:
    """Start in µs, share of the bandwidth and of the 16-bit rate, by type."""
    rate, bandwidth, _ = SYSTEMS[system]
    table = tables(system, "gemm", "gemm_perf")
    for kind, rows in table.groupby("gemm_dtype") if table is not None else ():
        if kind == "fp8_block":
            rows = rows[rows.m * 1.0 * rows.n * rows.k > 2e11]  # noqa: PLW2901
        if len(rows) < 100:
            continue
        rows = rows[rows.n < 40_000]  # noqa: PLW2901
        memory = (rows.n * rows.k * BYTES[kind] + rows.m * (rows.n + rows.k) * 2.0).to_numpy()
        compute = 2.0 * (rows.m * 1.0 * rows.n * rows.k).to_numpy()
        form = lambda p, m=memory, c=compute: p[0] * 1e-6 + joined(m / (p[1] * bandwidth), c / (p[2] * rate))  # noqa: E731
        yield f"product {kind}", *fitted(form, [3, 0.8, 0.6], rows.latency.to_numpy() * 1e-3)


def attention(system: str) -> Iterator[tuple[str, Any, Any]]:
    """Start in µs, and share of the 16-bit rate (prefill) or of the bandwidth (decode, of caches beyond the L2)."""
    rate, bandwidth, _ = SYSTEMS[system]
    for name, step in (("context_attention_perf", "prefill"), ("generation_attention_perf", "decode")):
        table = tables(system, "attention", name)
        if table is None:
            continue
        rows = table[(table.head_dim == 128) & (table.kv_cache_dtype == "bfloat16")]
        rows = rows[rows.window_size <= 0] if "window_size" in rows else rows
        if step == "prefill":
            work = (4.0 * rows.batch_size * rows.num_heads * rows.isl * rows.isl / 2 * 128).to_numpy() / rate
        else:
            heads = rows.num_key_value_heads.where(rows.num_key_value_heads > 0, rows.num_heads)
            size = 2.0 * rows.batch_size * (rows.isl + rows.step) * heads * 128 * 2
            rows, work = rows[size > 6e7], size[size > 6e7].to_numpy() / bandwidth
        form = lambda p, w=work: p[0] * 1e-6 + w / p[1]  # noqa: E731
        yield f"{step} attention", *fitted(form, [10, 0.5], rows.latency.to_numpy() * 1e-3)


def experts(system: str) -> Iterator[tuple[str, Any, Any]]:
    """Start in µs, share of the bandwidth and of the 16-bit rate, rows wasted on each visited expert, by type and kernel."""
    rate, bandwidth, _ = SYSTEMS[system]
    table = tables(system, "moe", "moe_perf")
    for (kind, kernel), rows in table.groupby(["moe_dtype", "kernel_source"]) if table is not None else ():
        held, width = (rows.num_experts / rows.moe_ep_size).to_numpy(), (rows.inter_size / rows.moe_tp_size).to_numpy()
        tokens, hidden = rows.num_tokens.to_numpy() * 1.0, rows.hidden_size.to_numpy() * 1.0
        gathered = (rows.num_tokens * rows.topk / rows.moe_ep_size).to_numpy()
        visited = held * (1 - (1 - (rows.topk / rows.num_experts).to_numpy()) ** tokens)
        memory = visited * 3 * hidden * width * BYTES.get(kind, _PACKED) + gathered * (2 * hidden + 3 * width) * 2
        each = 2 * 3 * hidden * width
        form = lambda p, m=memory, g=gathered, v=visited, e=each: (  # noqa: E731
            p[0] * 1e-6 + joined(m / (p[1] * bandwidth), e * (g + v * p[3]) / (p[2] * rate))
        )
        yield f"experts {kind} {kernel[-34:]}", *fitted(form, [20, 0.8, 0.4, 16], rows.latency.to_numpy() * 1e-3)


def reductions(system: str) -> Iterator[tuple[str, Any, Any]]:
    """Start in µs, and share of the link that a ring of so many GPUs gets, in a CUDA graph."""
    table = tables(system, "comm", "custom_allreduce_perf")
    for ranks, rows in table.groupby("num_gpus") if table is not None else ():
        graph = rows[rows.kernel_source.str.contains("graph")] if "kernel_source" in rows else rows
        moved = graph.message_size.to_numpy() * 2.0 * (ranks - 1) / ranks
        form = lambda p, m=moved: p[0] * 1e-6 + m / (p[1] * SYSTEMS[system][2])  # noqa: E731
        yield f"all-reduce of {ranks}", *fitted(form, [6, 0.4], graph.latency.to_numpy() * 1e-3)


def main() -> None:
    for system in SYSTEMS:
        for operator in (products, attention, experts, reductions):
            for name, found, left in operator(system):
                figures = "  ".join(f"{value:8.3g}" for value in found)
                print(f"{system:20} {name:60} {figures}   off by {left[0]:.2f}, {left[1]:.2f}")


if __name__ == "__main__":
    main()
