"""Ask vLLM's own selection which kernel runs experts, for every `--moe-backend`, kind of weights and GPU.

    python tests/conformance/ask_moe_backends.py ORACLE.py > tests/data/vllm_moe_backends_0.33.0.json

In an environment with vLLM 0.33's GPU wheel; ORACLE.py is a program that pretends to be a GPU (`setup(name)`, `GPUS`: name ->
(device, capability, GiB)). Prints {weights: {backend: [a kernel of vLLM's or "" where it refuses, one for each GPU]}}. Needs no GPU.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import types
from typing import Any, get_args

GPUS = ("t4", "a100", "l40s", "h100", "b200", "b300", "thor", "5090")


def selections() -> dict[str, Any]:
    """Each kind of weights with vLLM's function that chooses for it."""
    import vllm.model_executor.layers.quantization.utils.quant_utils as keys
    from compressed_tensors.quantization import QuantizationArgs
    from vllm.model_executor.layers.fused_moe.oracle import fp8, int_wna16, mxfp4, mxfp8, nvfp4, unquantized

    packed = QuantizationArgs(num_bits=4, type="int", strategy="group", group_size=128, symmetric=True)
    tensor, block = keys.kFp8StaticTensorSym, keys.kFp8Static128BlockSym
    return {
        "plain": unquantized.select_unquantized_moe_backend,
        "fp8_static": lambda config: fp8.select_fp8_moe_backend(config, tensor, tensor),
        "fp8_block": lambda config: fp8.select_fp8_moe_backend(config, block, keys.kFp8Dynamic128Sym),
        "gpt_oss_mxfp4": mxfp4.select_mxfp4_moe_backend,
        "mxfp4": mxfp4.select_deepseek_v4_mxfp4_moe_backend,
        "mxfp8": mxfp8.select_mxfp8_moe_backend,
        "nvfp4": lambda config: nvfp4.select_nvfp4_moe_backend(config, keys.kNvfp4Static, keys.kNvfp4Dynamic),
        "nvfp4_weights": lambda config: nvfp4.select_nvfp4_moe_backend(config, keys.kNvfp4Static, None),
        "int": lambda config: int_wna16.select_wna16_moe_backend(config, keys.kInt4Static, packed, False, False, True),
    }


def ask(oracle: Any, gpu: str) -> None:
    """One line for each answer under a pretended GPU."""
    oracle.setup(gpu)
    import torch
    from vllm.config import VllmConfig, set_current_vllm_config
    from vllm.config.kernel import MoEBackend
    from vllm.model_executor.layers.fused_moe.activation import MoEActivation
    from vllm.model_executor.layers.fused_moe.config import FusedMoEConfig, FusedMoEParallelConfig, RoutingMethodType

    config = VllmConfig()
    kind = types.SimpleNamespace(model_type="x")
    config.model_config = types.SimpleNamespace(quantization_config=None, hf_text_config=kind, hf_config=kind)
    with set_current_vllm_config(config):
        for weights, select in selections().items():
            gpt_oss = weights == "gpt_oss_mxfp4"
            for backend in get_args(MoEBackend):
                layer = FusedMoEConfig(
                    num_experts=64,
                    experts_per_token=4,
                    hidden_dim=2048,
                    intermediate_size=1024,
                    num_local_experts=64,
                    num_logical_experts=64,
                    activation=MoEActivation.SWIGLUOAI if gpt_oss else MoEActivation.SILU,
                    device="cuda",
                    routing_method=RoutingMethodType.Renormalize,
                    moe_parallel_config=FusedMoEParallelConfig.make_no_parallel(),
                    in_dtype=torch.bfloat16,
                    moe_backend=backend,
                    has_bias=gpt_oss,
                )
                try:
                    kernel = select(layer)[0].name
                except Exception:  # noqa: BLE001 (whatever it stops with)
                    kernel = ""
                print(json.dumps([weights, backend, kernel]), flush=True)


def main(path: str) -> None:
    """Ask in a process for each GPU, as vLLM's platform is chosen once."""
    spec = importlib.util.spec_from_file_location("oracle", path)
    assert spec is not None
    assert spec.loader is not None
    oracle = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(oracle)
    oracle.GPUS |= {"thor": ("NVIDIA Thor", (11, 0), 120.0), "b300": ("NVIDIA B300", (10, 3), 270.0)}
    found: dict[str, dict[str, list[str]]] = {}
    for gpu in GPUS:
        reads, writes = os.pipe()
        if os.fork() == 0:
            os.dup2(writes, 1)
            ask(oracle, gpu)
            sys.stdout.flush()
            os._exit(0)
        os.close(writes)
        with os.fdopen(reads) as lines:
            for line in lines:
                weights, backend, kernel = json.loads(line)
                found.setdefault(weights, {}).setdefault(backend, []).append(kernel)
        os.wait()
    print("{")
    for weights, backends in found.items():
        rows = ",\n  ".join(f"{json.dumps(name)}: {json.dumps(kernels)}" for name, kernels in backends.items())
        print(f"{json.dumps(weights)}: {{\n  {rows}}}" + ("" if weights == [*found][-1] else ","))
    print("}")


if __name__ == "__main__":
    main(sys.argv[1])
