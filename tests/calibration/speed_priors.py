"""Where kernels measured by themselves put the constants of the speed model, before any serving run is looked at.

Shares of a datasheet's rate, and times, from the operator tables of aiconfigurator 0.12 (Apache-2.0; vLLM 0.14 to 0.24 on A100, H100,
H200, B200, B300, GB200, L40S and RTX PRO 6000), as `fit_kernels.py` prints them; none of its tables is kept. Constants that no kernel
shows (scheduling, links of unknown hosts, clients) have a wide prior. `SCALE` is how far a constant may plausibly lie from its
prior (standard deviation of its logarithm).
"""

from __future__ import annotations

#: value and scale of what all generations share
PRIOR: dict[str, tuple[float, float]] = {
    # products: 0.68 to 0.99 of the bandwidth by memory and shape (below); 8 and 4 bit reach 0.5 to 0.8 of 16 bit's
    "bandwidth": (0.83, 0.045),
    "bandwidth_low": (0.8, 0.225),
    "flops": (0.76, 0.09),
    # cards that halve 16 bit's rate where sums are FP32 come near it (0.9 to 1.0 in large products, no table)
    "halved": (1.25, 0.09),
    "flops_low": (0.60, 0.225),
    "flops_4bit": (0.50, 0.225),
    # prefill attention: 0.31 to 0.38 at 1,024 tokens, 0.44 to 0.54 at 4,096, 0.55 to 0.61 at 16,384
    "attention_flops": (0.55, 0.18),
    "flops_per_watt": (0.85e12, 0.01),
    # int4 experts (Marlin): 33 to 38 thousand weights a multiprocessor and µs; 0.6 to 1.0 TFLOP/s of one multiprocessor
    "unpack": (34000.0, 0.225),
    "packed": (0.6, 0.45),
    "packed_flops": (1.0e6, 0.225),
    # experts' products reach 0.31 to 0.43 of plain ones'; tiles of 8 to 80 rows; power-law routing visits fewer of them
    "moe": (2.6, 0.225),
    "moe_rows": (36.0, 0.45),
    "moe_spread": (0.75, 0.45),
    # start of a 16-bit product in a graph: 2.1 to 4.7 µs
    "kernel_us": (2.8, 0.3),
    "launch_us": (6.0, 0.6),
    "step_us": (2000.0, 1.05),
    "request_us": (15.0, 1.05),
    # all-reduce in a graph: 4.5 to 8 µs over NVLink and 0.30 to 0.49 of it; 3 to 4 µs per GPU over PCIe and 0.19 to 0.41
    "reduce_us": (9.0, 0.6),
    "pcie_reduce_us": (4.0, 0.6),
    "host_reduce_us": (10.0, 0.6),
    "nvlink": (0.40, 0.3),
    "pcie": (0.30, 0.375),
    "host": (0.17, 0.45),
    "host_shared": (0.4, 0.225),
    "client_ms": (5.0, 0.75),
    # one core's byte-level BPE: 2.1 to 2.4 µs a token of text and code, 3.1 to 4.4 of random tokens
    "token_us": (3.0, 0.45),
}
#: what may differ between generations, and how far
OWN: dict[str, float] = {"host": 0.45, "bandwidth": 0.06, "flops": 0.12, "kernel_us": 0.225}
#: what a generation's tables say, or the power its boards turn into work
GENERATION: dict[str, dict[str, float]] = {
    "ampere": {"bandwidth": 0.72, "flops": 0.80, "flops_per_watt": 0.9e12},
    "ampere_gddr": {"bandwidth": 0.88, "flops": 0.80, "flops_per_watt": 0.9e12},
    "ada": {"bandwidth": 0.92, "flops": 0.80, "flops_per_watt": 0.85e12},
    "hopper": {"bandwidth": 0.83, "flops": 0.82, "flops_per_watt": 1.5e12},
    "blackwell_dc": {"bandwidth": 0.72, "flops": 0.75, "flops_per_watt": 1.9e12},
    "blackwell_consumer": {"bandwidth": 0.94, "flops": 0.75, "flops_per_watt": 0.85e12},
    "gb10_thor": {"bandwidth": 0.85, "flops": 0.6, "flops_per_watt": 1.0e12},
}
#: no table shows this generation's products
WIDER: dict[tuple[str, str], float] = {("gb10_thor", "flops"): 0.45}
