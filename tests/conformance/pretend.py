"""Pretend that this machine has a given NVIDIA GPU, so that vLLM plans as if on it: the CPU build, or the GPU wheel (0.33).

Kernels that are missing become stand-ins; nothing is computed. One process pretends to be one GPU.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
import types
from unittest.mock import MagicMock

#: name: (device name, compute capability, total GiB as CUDA reports it)
GPUS = {
    "h100": ("NVIDIA H100 80GB HBM3", (9, 0), 79.18),
    "h200": ("NVIDIA H200", (9, 0), 139.80),
    "a100": ("NVIDIA A100-SXM4-80GB", (8, 0), 79.25),
    "l40s": ("NVIDIA L40S", (8, 9), 44.40),
    "4090": ("NVIDIA GeForce RTX 4090", (8, 9), 23.53),
    "l4": ("NVIDIA L4", (8, 9), 22.17),
    "t4": ("Tesla T4", (7, 5), 14.58),
    "b200": ("NVIDIA B200", (10, 0), 178.35),
    "5090": ("NVIDIA GeForce RTX 5090", (12, 0), 31.36),
}
#: parts of the GPU wheel that come as sources and need CUTLASS or a driver when they are imported
_NEED_A_GPU = (
    "vllm.vllm_flash_attn.cute",
    "vllm.third_party.flashmla",
    "vllm.third_party.fmha_sm100",
    "vllm.third_party.tml_fa4",
)
#: imported before CUTLASS turns into a stand-in
_FLASHINFER = ("", ".fused_moe", ".comm", ".gemm", ".cute_dsl", ".mla", ".decode", ".prefill")


def pretend(gpu: str) -> None:
    """Patch torch and vLLM's platform to look like `gpu`; imports vLLM."""
    import torch
    import torch._ops as _tops

    _orig = _tops._OpNamespace.__getattr__

    class _Stub:
        def __init__(s, n):
            s.__name__ = n

        def __call__(s, *x, **k):
            if s.__name__.endswith("get_workspace_size"):
                return 0
            raise RuntimeError("stub op " + s.__name__)

        def __getattr__(s, k):
            if k.startswith("__"):
                raise AttributeError(k)
            return s

    def _ga(self, name):
        try:
            return _orig(self, name)
        except AttributeError:
            if name.startswith("__") or not self.name.startswith("_"):
                raise
            return _Stub(self.name + "." + name)

    _tops._OpNamespace.__getattr__ = _ga
    _rf = torch.library.register_fake

    def _safe_rf(op, func=None, /, **k):
        def deco(f):
            try:
                return _rf(op, f, **k)
            except RuntimeError:
                return f

        return deco if func is None else deco(func)

    torch.library.register_fake = _safe_rf
    _tv = torch.library.Library("torchvision", "FRAGMENT")
    for _op in ("nms", "qnms"):
        _tv.define(_op + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    for nm in (
        "vllm._C_stable_libtorch",
        "vllm._moe_C_stable_libtorch",
        "vllm._C",
        "vllm.vllm_flash_attn._vllm_fa2_C",
        "vllm.vllm_flash_attn._vllm_fa3_C",
        "vllm._flashkda_C",
        "vllm._flashmla_C",
        "vllm._flashmla_extension_C",
        "vllm._qutlass_C",
        "vllm._deepselect_C",
        "vllm.cumem_allocator",
        "vllm.fs_io_C",
        "vllm.spinloop",
        "vllm.third_party.deep_gemm._C_extension",
    ):
        sys.modules[nm] = types.ModuleType(nm)

    class Stubs(importlib.abc.MetaPathFinder, importlib.abc.Loader):
        roots = set()

        def find_spec(self, fullname, path, target=None):
            if (
                fullname.split(".")[0] in self.roots
                or fullname.startswith("vllm.third_party.flashmla")
                or (self.roots and fullname.startswith("vllm.vllm_flash_attn.cute"))
            ):
                return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

        def create_module(self, spec):
            m = MagicMock(name=spec.name)
            m.__path__ = []
            m.__name__ = spec.name
            m.__spec__ = spec
            return m

        def exec_module(self, module):
            pass

    class Early(Stubs):
        def find_spec(self, fullname, path, target=None):
            if fullname.startswith(_NEED_A_GPU):
                return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    sys.meta_path.append(Stubs())
    sys.meta_path.insert(0, Early())
    import torch.fx.experimental._config as fxc

    fxc.meta_nonzero_assume_all_nonzero = True
    import vllm.platforms as P
    from vllm.platforms.cuda import NonNvmlCudaPlatform
    from vllm.platforms.interface import DeviceCapability

    name, cap, total = GPUS[gpu]

    class FakeCuda(NonNvmlCudaPlatform):
        @classmethod
        def get_device_capability(cls, device_id=0):
            return DeviceCapability(*cap)

        @classmethod
        def get_device_name(cls, device_id=0):
            return name

        @classmethod
        def get_device_total_memory(cls, device_id=0):
            return int(total * 2**30)

        @classmethod
        def is_fully_connected(cls, ids):
            return True

        @classmethod
        def device_count(cls):
            return 8

        @classmethod
        def num_compute_units(cls, device_id=0):
            return 132

        @classmethod
        def import_kernels(cls):
            pass

        @classmethod
        def get_cuda_runtime_major(cls):
            return 13

    P._current_platform = FakeCuda()
    torch.accelerator.empty_cache = lambda *x, **k: None
    torch.cuda.is_available = lambda: False
    torch.cuda.get_device_capability = lambda *x, **k: cap
    torch.cuda.current_device = lambda: 0

    class _Any:
        def __init__(s, *x, **k):
            pass

        def __getattr__(s, k):
            return lambda *x, **kk: None

    torch.cuda.Stream = torch.cuda.Event = _Any
    torch.cuda.current_stream = lambda *x, **k: _Any()
    torch.cuda.device_count = lambda: 8

    class _Props:
        major, minor = cap
        multi_processor_count = 132
        total_memory = int(total * 2**30)
        shared_memory_per_block_optin = 232448

    _Props.name = name
    torch.cuda.get_device_properties = lambda *x, **k: _Props

    import vllm.utils.import_utils as iu

    iu.has_deep_gemm = lambda: cap[0] >= 9
    import vllm.triton_utils as tu

    class Cfg:
        def __init__(s, kwargs=None, num_warps=4, num_stages=2, **k):
            s.kwargs, s.num_warps, s.num_stages = kwargs or {}, num_warps, num_stages

    try:
        tu.triton.Config = Cfg
    except Exception:
        pass
    import vllm._custom_ops as ops

    c = cap[0] * 10 + cap[1]
    for fn, need in {
        "cutlass_scaled_mm_supports_fp8": 89,
        "cutlass_scaled_mm_supports_block_fp8": 90,
        "cutlass_scaled_mm_supports_fp4": 100,
        "cutlass_group_gemm_supported": 90,
        "cutlass_sparse_scaled_mm_supported": 90,
    }.items():
        setattr(ops, fn, lambda *x, _n=need: c >= _n)
    import vllm.model_executor.models.registry as _reg

    _reg._run_in_subprocess = lambda fn: fn()
    for m in (
        "model_executor.models.llama",
        "model_executor.models.mixtral",
        "model_executor.models.qwen3_5",
        "model_executor.models.qwen3_vl",
        "model_executor.models.deepseek_v2",
        "v1.core.kv_cache_utils",
        "v1.core.single_type_kv_cache_manager",
    ):
        try:
            importlib.import_module("vllm." + m)
        except Exception:
            pass
    try:
        from vllm.model_executor.layers.fused_moe.expert_map_manager import ExpertMapManager

        ExpertMapManager.get_compressed_map_string = lambda s: ""
    except ImportError:
        pass
    for m in _FLASHINFER:
        try:
            importlib.import_module("flashinfer" + m)
        except Exception:
            pass
    Stubs.roots = {"cuda", "cutlass", "tilelang", "deep_gemm", "quack"}  # only now: tvm_ffi probes `cuda` at import
