"""The program that a foreign interpreter runs: its vLLM believes in a GPU, builds a model on the meta device and plans its cache.

    PYTHON child.py FD          # the request on standard input, one JSON object; answers to file descriptor FD, one a line

Nothing of vram is imported here, and nothing but the standard library, torch and vLLM; Python 3.9 can read it. Tried with
vLLM 0.9.2, 0.10.2, 0.11.2, 0.20.2 and 0.32.0 (CPU builds) and 0.33.0 (GPU wheel). The request:

    {"model": FOLDER, "gpu": {"name": …, "capability": [9, 0], "memory_bytes": …, "sm_count": 132}, "args": {engine arguments},
     "trust_remote_code": false, "available_bytes": [one per pipeline rank] or null}

The first answer tells what was built (`built`), the second the plan (`planned`). Without `available_bytes` a second line
{"available_bytes": […]} is waited for in between. {"error": …, "stage": …} takes the place of an answer. Kernels that are
missing become stand-ins; nothing is computed, no weight is read, no network asked.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import logging
import os
import re
import sys
import types
from typing import Any
from unittest.mock import MagicMock

#: hidden GPUs make vLLM's check for Triton lenient, and keep a real one out of the answer
ENVIRONMENT = {
    "CUDA_VISIBLE_DEVICES": "",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_DO_NOT_TRACK": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_HAS_FLASHINFER_CUBIN": "1",
    "TORCHDYNAMO_DISABLE": "1",
}
#: compiled modules of vLLM's wheels, present or not: their kernels are never called
_COMPILED = re.compile(r"^vllm\.(.*\.)?(_\w*C\w*|cumem_allocator|fs_io_C|spinloop|_rs|_rust\w*)$")
#: sources that need CUTLASS's Python or a compiled module at import
_NEED_CUDA = (
    "vllm.vllm_flash_attn.cute",
    "vllm.third_party.flashmla",
    "vllm.third_party.fmha_sm100",
    "vllm.third_party.tml_fa4",
)
#: packages that are stood in for once everything that probes for them is imported
_ABSENT = frozenset({"cuda", "cutlass", "tilelang", "deep_gemm", "quack"})
#: imported first: their import asks about packages that are stood in for afterwards
_PROBING = (
    *(f"flashinfer{name}" for name in ("", ".fused_moe", ".comm", ".gemm", ".cute_dsl", ".mla", ".decode", ".prefill")),
    *(f"vllm.model_executor.models.{name}" for name in ("llama", "mixtral", "qwen3_vl", "deepseek_v2")),
    "vllm.v1.core.kv_cache_utils",
    "vllm.v1.core.single_type_kv_cache_manager",
)
#: bytes of shared memory a block may use (CUDA C++ programming guide, table of compute capabilities)
_SHARED_MEMORY = {
    (7, 0): 98304,
    (7, 5): 65536,
    (8, 0): 166912,
    (8, 7): 166912,
    (9, 0): 232448,
    (10, 0): 232448,
    (10, 3): 232448,
}
_OTHER_SHARED_MEMORY = 101376
#: `vllm._custom_ops` functions that ask a compiled module what the GPU can, and the least capability that can
_CUTLASS_NEEDS = {
    "cutlass_scaled_mm_supports_fp8": 89,
    "cutlass_scaled_mm_supports_block_fp8": 90,
    "cutlass_scaled_mm_supports_fp4": 100,
    "cutlass_group_gemm_supported": 90,
    "cutlass_sparse_scaled_mm_supported": 90,
}
_MOST_GPUS = 64


class _StandIns(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds compiled modules, and packages that the GPU's own software would bring, and gives empty ones."""

    def __init__(self) -> None:
        self.roots: frozenset[str] = frozenset()

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        del path, target
        if _COMPILED.match(fullname) or fullname.startswith(_NEED_CUDA) or fullname.partition(".")[0] in self.roots:
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec: Any) -> Any:
        compiled = _COMPILED.match(spec.name)
        module: Any = types.ModuleType(spec.name) if compiled else MagicMock(name=spec.name)
        module.__path__, module.__name__, module.__spec__ = [], spec.name, spec
        return module

    def exec_module(self, module: Any) -> None:
        pass


class _LastStandIns(_StandIns):
    """Sources that the GPU's wheel copies from elsewhere and the CPU's leaves out: asked for after every other finder."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        del path, target
        if fullname.startswith("vllm.vllm_flash_attn."):
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        return None


class _MissingOp:
    """An operator of a compiled module; asking it for its overloads is allowed, calling it is not."""

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __call__(self, *_: Any, **__: Any) -> int:
        if self.__name__.endswith("get_workspace_size"):
            return 0
        raise RuntimeError(f"the operator {self.__name__} is a stand-in")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self


class _Anything:
    """A CUDA stream or event that nobody waits for."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


class _Configuration:
    """Triton's, which is a stand-in itself where there is no Triton."""

    def __init__(self, kwargs: Any = None, num_warps: int = 4, num_stages: int = 2, **_: Any) -> None:
        self.kwargs, self.num_warps, self.num_stages = kwargs or {}, num_warps, num_stages


def pretend(gpu: dict[str, Any]) -> None:
    """Import vLLM on a machine that seems to have `gpu`. One process pretends to be one GPU."""
    os.environ.update(ENVIRONMENT)
    stand_ins = _StandIns()
    sys.meta_path.insert(0, stand_ins)
    sys.meta_path.append(_LastStandIns())
    _stand_in_for_operators()
    package = _bare_package("vllm")
    platforms: Any = importlib.import_module("vllm.platforms")
    platforms._current_platform = _platform(gpu)  # before anything of vLLM asks
    _pretend_in_torch(gpu)
    with contextlib.suppress(Exception):
        _pretend_in_triton(gpu)
    assert package.__spec__ is not None
    assert package.__spec__.loader is not None
    package.__spec__.loader.exec_module(package)
    _pretend_in_vllm(gpu)
    for name in _PROBING:
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    stand_ins.roots = _ABSENT


def _bare_package(name: str) -> Any:
    """The package without what its `__init__` does, so that its submodules can be imported first. Raises ImportError."""
    spec = importlib.util.find_spec(name)
    if spec is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    package = importlib.util.module_from_spec(spec)
    sys.modules[name] = package
    return package


def _stand_in_for_operators() -> None:
    import torch

    namespace: Any = torch._ops._OpNamespace
    found = namespace.__getattr__
    register: Any = torch.library.register_fake

    def operator(self: Any, name: str) -> Any:
        try:
            return found(self, name)
        except AttributeError:
            if name.startswith("__") or not self.name.startswith("_"):
                raise
            return _MissingOp(f"{self.name}.{name}")

    def register_fake(op: Any, func: Any = None, /, **more: Any) -> Any:
        def decorate(function: Any) -> Any:
            try:
                return register(op, function, **more)
            except RuntimeError:  # of an operator that does not exist
                return function

        return decorate if func is None else decorate(func)

    namespace.__getattr__ = operator
    torch.library.register_fake = register_fake
    with contextlib.suppress(Exception):  # torchvision's, where its compiled module does not load
        library: Any = torch.library.Library
        _KEPT.append(library("torchvision", "FRAGMENT"))
        for name in ("nms", "qnms"):
            _KEPT[-1].define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    with contextlib.suppress(Exception):
        settings: Any = importlib.import_module("torch.fx.experimental._config")
        settings.meta_nonzero_assume_all_nonzero = True


_KEPT: list[Any] = []


def _platform(gpu: dict[str, Any]) -> Any:
    from vllm.platforms.cuda import NonNvmlCudaPlatform
    from vllm.platforms.interface import DeviceCapability

    answers = {
        "get_device_capability": DeviceCapability(*gpu["capability"]),
        "get_device_name": gpu["name"],
        "get_device_total_memory": gpu["memory_bytes"],
        "is_fully_connected": True,
        "device_count": _MOST_GPUS,
        "num_compute_units": gpu.get("sm_count") or 132,
        "import_kernels": None,
        "get_cuda_runtime_major": 13,
    }
    methods = {name: classmethod(lambda _cls, *_, _answer=answer, **__: _answer) for name, answer in answers.items()}
    return type("PretendedPlatform", (NonNvmlCudaPlatform,), methods)()


def _pretend_in_torch(gpu: dict[str, Any]) -> None:
    import torch

    capability = tuple(gpu["capability"])
    properties = types.SimpleNamespace(
        name=gpu["name"],
        major=capability[0],
        minor=capability[1],
        multi_processor_count=gpu.get("sm_count") or 132,
        total_memory=gpu["memory_bytes"],
        shared_memory_per_block_optin=_SHARED_MEMORY.get(capability, _OTHER_SHARED_MEMORY),
        warp_size=32,
    )
    cuda: Any = torch.cuda
    cuda.is_available = lambda: False
    cuda.get_device_capability = lambda *_, **__: capability
    cuda.get_device_properties = lambda *_, **__: properties
    cuda.get_device_name = lambda *_, **__: gpu["name"]
    cuda.current_device = lambda: 0
    cuda.device_count = lambda: _MOST_GPUS
    cuda.Stream = cuda.Event = _Anything
    cuda.current_stream = lambda *_, **__: _Anything()
    cuda.graph_pool_handle = lambda: (0, 0)
    cuda.mem_get_info = lambda *_, **__: (gpu["memory_bytes"], gpu["memory_bytes"])
    if hasattr(torch, "accelerator"):
        torch.accelerator.empty_cache = lambda *_, **__: None


def _pretend_in_triton(gpu: dict[str, Any]) -> None:
    """A driver for sources that ask for the GPU when they are imported (flash-linear-attention's in 0.11)."""
    import torch

    runtime: Any = importlib.import_module("triton.runtime")
    target: Any = importlib.import_module("triton.backends.compiler")
    major, minor = gpu["capability"]
    driver = MagicMock(name="triton driver")
    driver.get_current_target.return_value = target.GPUTarget("cuda", major * 10 + minor, 32)
    driver.get_current_device.return_value = 0
    driver.get_active_torch_device.return_value = torch.device("meta")
    driver.utils.get_device_properties.return_value = {
        "max_shared_mem": _SHARED_MEMORY.get((major, minor), _OTHER_SHARED_MEMORY),
        "multiprocessor_count": gpu.get("sm_count") or 132,
        "warpSize": 32,
    }
    runtime.driver.set_active(driver)


def _pretend_in_vllm(gpu: dict[str, Any]) -> None:
    major, minor = gpu["capability"]
    with contextlib.suppress(Exception):
        operators = importlib.import_module("vllm._custom_ops")
        for name, least in _CUTLASS_NEEDS.items():
            setattr(operators, name, lambda *_, _least=least, **__: major * 10 + minor >= _least)
    with contextlib.suppress(Exception):
        importlib.import_module("vllm.triton_utils").triton.Config = _Configuration
    registry = importlib.import_module("vllm.model_executor.models.registry")
    vars(registry)["_run_in_subprocess"] = lambda function: function()  # a new process would not pretend
    with contextlib.suppress(Exception):
        packages: Any = importlib.import_module("vllm.utils.import_utils")
        packages.has_deep_gemm = lambda: major >= 9
    with contextlib.suppress(Exception):
        experts = importlib.import_module("vllm.model_executor.layers.fused_moe.expert_map_manager")
        experts.ExpertMapManager.get_compressed_map_string = lambda _: ""


class _Group:
    """A process group of one process that claims to be rank `rank` of `size`."""

    def __init__(self, size: int, rank: int = 0) -> None:
        import torch

        self.world_size, self.rank_in_group, self.rank, self.local_rank = size, rank, rank, rank
        self.ranks = list(range(size))
        self.first_rank, self.last_rank = 0, size - 1
        self.is_first_rank, self.is_last_rank = rank == 0, rank == size - 1
        self.next_rank, self.prev_rank = min(rank + 1, size - 1), max(rank - 1, 0)
        self.device = torch.device("meta")
        self.device_group = self.cpu_group = types.SimpleNamespace(size=lambda: size, rank=lambda: rank)
        self.device_communicator = self.mq_broadcaster = None
        self.unique_name, self.use_device_communicator, self.use_custom_op_call = "pretended", False, False

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda value=None, *_, **__: value


class Asked:
    """One model under one set of engine arguments, configured by vLLM."""

    def __init__(self, request: dict[str, Any]) -> None:
        from vllm.engine.arg_utils import EngineArgs
        from vllm.usage.usage_lib import UsageContext

        given = dict(request["args"])
        known = {one.name for one in dataclasses.fields(EngineArgs)}
        unknown = sorted(set(given) - known)
        if unknown:
            raise ValueError(f"this version has no argument {', '.join(unknown)}")
        self.tp = given.get("tensor_parallel_size") or 1
        self.pp = given.get("pipeline_parallel_size") or 1
        arguments = EngineArgs(
            model=request["model"],
            tokenizer=request["model"],
            skip_tokenizer_init=True,
            load_format="dummy",
            trust_remote_code=bool(request.get("trust_remote_code")),
            distributed_executor_backend="mp" if self.tp * self.pp > 1 else "uni",
            **given,
        )
        self.config = arguments.create_engine_config(usage_context=UsageContext.OPENAI_API_SERVER)
        envs = importlib.import_module("vllm.envs")
        if not getattr(envs, "VLLM_USE_V1", True):
            raise ValueError("it would serve this model with its old V0 engine, which plans its cache differently")
        self.specs: list[dict[str, Any]] = []
        self.backends: dict[str, Any] = {}

    def built(self) -> dict[str, Any]:
        """Build every pipeline rank; the first answer."""
        import vllm

        ranks = [self._rank(rank) for rank in range(self.pp)]
        with contextlib.suppress(Exception):
            self._resolve_layout()
        for rank, specs in zip(ranks, self.specs):
            rank["specs"] = [_described(spec, self.config, layers) for spec, layers in _alike(specs)]
        model, scheduler = self.config.model_config, self.config.scheduler_config
        layers = getattr(model, "get_total_num_hidden_layers", None)
        return {
            "vllm": vllm.__version__,
            "dtype": _name(model.dtype),
            "max_model_len": model.max_model_len,
            "max_num_seqs": scheduler.max_num_seqs,
            "max_num_batched_tokens": scheduler.max_num_batched_tokens,
            "block_size": self.config.cache_config.block_size,
            "kv_cache_dtype": str(self.config.cache_config.cache_dtype),
            "quantization": model.quantization and str(model.quantization),
            "backends": sorted(self.backends),
            "model": {
                "architecture": str((getattr(model.hf_config, "architectures", None) or ["?"])[0]),
                "hidden_size": _number(model.get_hidden_size),
                "vocab_size": _number(model.get_vocab_size),
                "num_attention_heads": _number(lambda: model.hf_text_config.num_attention_heads),
                "num_layers": _number(layers) or _number(lambda: model.hf_text_config.num_hidden_layers),
                "derived_max_model_len": _longest(model),
                "multimodal": bool(getattr(model, "is_multimodal_model", False)),
                "generates": getattr(model, "runner_type", "generate") == "generate",
            },
            "ranks": ranks,
        }

    def _rank(self, rank: int) -> dict[str, Any]:
        from vllm.config import set_current_vllm_config

        self._join_groups(rank)
        self.config.compilation_config.static_forward_context.clear()
        with set_current_vllm_config(self.config):
            model = self._model()
            self.specs.append(self._kv_specs())
        tensors = _distinct(model)
        sizes = collections.Counter(tensor.numel() * tensor.element_size() for tensor in tensors)
        return {
            "parameter_bytes": sum(size * count for size, count in sizes.items()),
            "sizes": sorted(sizes.items()),
            "elements": sum(tensor.numel() for tensor in tensors),
            **_widths(model),
        }

    def _join_groups(self, pipeline_rank: int) -> None:
        from vllm.distributed import parallel_state as state

        parallel = self.config.parallel_config
        dp = parallel.data_parallel_size
        sizes = {"_WORLD": self.tp * self.pp, "_TP": self.tp, "_DP": dp, "_EP": self.tp * dp}
        sizes["_DCP"] = getattr(parallel, "decode_context_parallel_size", 1)
        for name in ("_PCP", "_EPLB", "_INNER_DP_WORLD", "_ETP"):
            sizes[name] = 1
        for name, size in sizes.items():
            if hasattr(state, name):
                setattr(state, name, _Group(size))
        state._PP = _Group(self.pp, pipeline_rank)

    def _model(self) -> Any:
        """The model on the meta device, whatever device its code asks for."""
        import torch

        with contextlib.suppress(Exception):  # absent in older versions, or there already
            importlib.import_module("vllm.v1.worker.workspace").init_workspace_manager(torch.device("meta"))
        usual = torch.get_default_dtype()
        torch.set_default_dtype(self.config.model_config.dtype)
        try:
            with torch.device("meta"), _to_meta():
                return _initialize(self.config)
        finally:
            torch.set_default_dtype(usual)

    def _kv_specs(self) -> dict[str, Any]:
        """Each layer's KV cache spec. Layers have told their own since 0.11; before, the model runner did."""
        from vllm import platforms

        fix = getattr(platforms.current_platform, "update_block_size_for_backend", None)
        if fix is not None:
            fix(self.config)
        layers = self.config.compilation_config.static_forward_context
        for layer in layers.values():
            with contextlib.suppress(Exception):
                backend = layer.get_attn_backend() if hasattr(layer, "get_attn_backend") else layer.attn_backend
                self.backends[_title(backend)] = backend
        if not any(hasattr(layer, "get_kv_cache_spec") for layer in layers.values()):
            return _specs_of_runner(self.config) if layers else {}
        specs: dict[str, Any] = {}
        for name, layer in layers.items():
            if getattr(layer, "kv_sharing_target_layer_name", None) or not hasattr(layer, "get_kv_cache_spec"):
                continue
            spec = layer.get_kv_cache_spec(self.config)
            if spec is not None:
                specs[name] = _customized(layer, spec)
        return specs

    def planned(self, available: list[int]) -> dict[str, Any]:
        """The plan for so many bytes on each pipeline rank, or the longest request of its refusal; the second answer."""
        from vllm.config import set_current_vllm_config

        if not any(self.specs):
            return {}
        said = _Said()
        try:
            with set_current_vllm_config(self.config), said:
                plan = self._plan([bytes_ for bytes_ in available for _ in range(self.tp)])
                answer = {"num_blocks": plan.num_blocks, "groups": _groups(plan), **self._capacity(plan, said)}
        except ValueError as error:
            match = re.search(r"estimated maximum model length is (\d+)", str(error))
            return {"estimated_max_model_len": int(match[1])} if match else {"refused": _last_line(error)}
        return {**answer, "max_model_len": self.config.model_config.max_model_len}

    def _plan(self, available: list[int]) -> Any:
        utils = importlib.import_module("vllm.v1.core.kv_cache_utils")
        with contextlib.suppress(ImportError):
            utils = importlib.import_module("vllm.v1.core.kv_cache_planning")  # 0.33
        self._resolve_layout()
        every = [dict(spec) for spec in self.specs for _ in range(self.tp)]
        if not hasattr(utils, "get_kv_cache_configs"):  # before 0.11: each worker by itself
            plans = [utils.get_kv_cache_config(self.config, spec, memory) for spec, memory in zip(every, available)]
            utils.unify_kv_cache_configs(plans)
            return plans[0]
        groups = getattr(utils, "get_global_kv_cache_groups", None)
        more = () if groups is None else (groups(self.config, every),)
        return utils.get_kv_cache_configs(self.config, every, available, *more)[0]

    def _resolve_layout(self) -> None:
        with contextlib.suppress(ImportError, AttributeError):
            manager = importlib.import_module("vllm.v1.core.single_type_kv_cache_manager")
            manager.register_all_kvcache_specs(self.config)
        try:
            layouts = importlib.import_module("vllm.v1.attention.backends.utils")
            resolve, supported = layouts.resolve_kv_cache_layout, layouts.get_supported_kv_cache_layouts
        except (ImportError, AttributeError):  # before 0.31
            return
        names = [layout.name for layout in supported(list(self.backends.values()))]
        resolve(self.config, [names], [spec for rank in self.specs for spec in rank.values()])

    def _capacity(self, plan: Any, said: _Said) -> dict[str, Any]:
        """Tokens and concurrency: by vLLM's function, else as it printed them while it planned."""
        utils = importlib.import_module("vllm.v1.core.kv_cache_utils")
        if hasattr(utils, "get_kv_cache_capacity"):
            tokens, concurrency = utils.get_kv_cache_capacity(self.config, plan)
            return {"tokens": int(tokens), "max_concurrency": float(concurrency)}
        tokens, concurrency = said.tokens, said.concurrency
        with contextlib.suppress(Exception):
            concurrency = float(utils.get_max_concurrency_for_kv_cache_config(self.config, plan))
        return {"tokens": tokens, "max_concurrency": concurrency}


def _to_meta() -> Any:
    """A mode in which every device is the meta device, and values read off its tensors are zero."""
    import torch
    from torch.overrides import TorchFunctionMode

    zeros: dict[Any, Any] = {
        torch.Tensor.item: lambda tensor: 0.0 if tensor.is_floating_point() else 0,
        torch.Tensor.__float__: lambda _: 0.0,
        torch.Tensor.tolist: lambda tensor: torch.zeros(tensor.shape, device="cpu").tolist(),
        torch.Tensor.cpu: lambda tensor: tensor,
    }

    class ToMeta(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = dict(kwargs or {})
            del types
            if func in zeros and args[0].device.type == "meta":
                return zeros[func](args[0])
            if "cuda" in str(kwargs.get("device")) or isinstance(kwargs.get("device"), int):
                kwargs["device"] = "meta"
            meta = torch.device("meta")
            return func(
                *(meta if isinstance(one, torch.device) and one.type == "cuda" else one for one in args), **kwargs
            )

    return ToMeta()


def _initialize(config: Any) -> Any:
    try:
        from vllm.model_executor.model_loader.utils import initialize_model
    except ImportError:  # before 0.9
        from vllm.model_executor.model_loader.loader import _initialize_model as initialize_model
    return initialize_model(vllm_config=config)


def _distinct(model: Any) -> list[Any]:
    named = [*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False)]
    return list({id(tensor): tensor for _, tensor in named}.values())


def _widths(model: Any) -> dict[str, Any]:
    """The widest projection, and the experts, of one rank: what activations and their workspace are reckoned from."""
    widest, experts = 0, None
    for module in model.modules():
        with contextlib.suppress(Exception):
            if "Embedding" not in str(type(module).__mro__) and hasattr(module, "output_size_per_partition"):
                widest = max(widest, int(module.output_size_per_partition))
            if hasattr(module, "local_num_experts") and hasattr(module, "intermediate_size_per_partition"):
                experts = {
                    "local": int(module.local_num_experts),
                    "top_k": int(module.top_k),
                    "intermediate_size": int(module.intermediate_size_per_partition),
                }
    return {"widest": widest, "experts": experts}


def _customized(layer: Any, spec: Any) -> Any:
    """A spec as the layer's backend wants it (0.31 and later)."""
    for name in ("vllm.v1.worker.utils", "vllm.v1.worker.gpu_model_runner"):
        with contextlib.suppress(ImportError):
            customize = getattr(importlib.import_module(name), "customize_attention_spec", None)
            if customize is not None:
                from vllm.v1.kv_cache_interface import AttentionSpec

                return customize(layer.get_attn_backend(), spec) if isinstance(spec, AttentionSpec) else spec
    return spec


class _Runner:
    """What the method looks at: the configuration's parts, and the little that a runner keeps beside them."""

    def __init__(self, config: Any, dtype: Any) -> None:
        self.vllm_config, self.kv_cache_dtype = config, dtype
        self.attention_chunk_size = getattr(config.model_config, "attention_chunk_size", None)
        self.shared_kv_cache_layers: dict[str, str] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.vllm_config, name)


def _specs_of_runner(config: Any) -> dict[str, Any]:
    """By the method of a model runner that was never made (0.8 to 0.10)."""
    import torch
    from vllm.v1.worker.gpu_model_runner import GPUModelRunner

    asked = str(config.cache_config.cache_dtype)
    dtype = (
        config.model_config.dtype
        if asked == "auto"
        else torch.uint8
        if asked.startswith("fp8")
        else getattr(torch, asked)
    )
    runner = _Runner(config, dtype)
    specs: dict[str, Any] = GPUModelRunner.get_kv_cache_spec(runner)
    return specs


def _alike(specs: dict[str, Any]) -> list[tuple[Any, list[str]]]:
    """Each distinct spec, in order of first appearance, with its layers."""
    found: list[tuple[Any, list[str]]] = []
    for name, spec in specs.items():
        for other, names in found:
            if type(other) is type(spec) and other == spec:
                names.append(name)
                break
        else:
            found.append((spec, [name]))
    return found


def _described(spec: Any, config: Any, layers: list[str]) -> dict[str, Any]:
    """A spec as plain data. `needs` are (length, blocks) of one request, which tell how it grows."""
    size = int(spec.page_size_bytes)
    fields = {one.name: getattr(spec, one.name) for one in dataclasses.fields(spec)}
    unpadded = getattr(spec, "real_page_size_bytes", None)
    if unpadded is None and fields.get("page_size_padded") is not None:
        unpadded = dataclasses.replace(spec, page_size_padded=None).page_size_bytes
    return {
        "classes": [kind.__name__ for kind in type(spec).__mro__],
        "layers": len(layers),
        "first": layers[0],
        "block_size": int(spec.block_size),
        "page_bytes": size,
        "unpadded_bytes": size if unpadded is None else int(unpadded),
        "outermost": _block_outermost(config),
        "fields": {
            name: _plain(value) for name, value in fields.items() if name not in ("page_size_padded", "block_size")
        },
        "mamba_cache_mode": str(getattr(config.cache_config, "mamba_cache_mode", None) or "none"),
        "needs": _needs(spec, config, size),
    }


def _needs(spec: Any, config: Any, page: int) -> list[tuple[int, int]]:
    model, own = config.model_config, config.model_config.max_model_len
    needs = []
    for length in sorted({1, spec.block_size + 1, own}):
        with contextlib.suppress(Exception):
            try:
                model.max_model_len = length
                needs.append((int(length), -(-int(spec.max_memory_usage_bytes(config)) // page)))
            finally:
                model.max_model_len = own
    return needs


def _block_outermost(config: Any) -> bool:
    with contextlib.suppress(Exception):
        return bool(config.cache_config.get_resolved_kv_cache_layout().is_block_outermost)
    return False


class _Said(logging.Handler):
    """What vLLM logs of its cache while it plans."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.tokens: int | None = None
        self.concurrency: float | None = None

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        tokens = re.search(r"KV cache size: ([\d,]+) tokens", text)
        times = re.search(r"Maximum concurrency for [\d,]+ tokens per request: ([\d.]+)x", text)
        self.tokens = int(tokens[1].replace(",", "")) if tokens else self.tokens
        self.concurrency = float(times[1]) if times else self.concurrency

    def __enter__(self) -> _Said:
        logger = logging.getLogger("vllm")
        self._level = logger.level
        logger.setLevel(logging.INFO)
        logger.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logger = logging.getLogger("vllm")
        logger.setLevel(self._level)
        logger.removeHandler(self)


class _Complaint(logging.Handler):
    """The last line of the last error vLLM logged, which its exception may only hint at."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(Exception):
            lines = [line.strip() for line in self.format(record).splitlines() if line.strip()]
            self.text = lines[-1] if lines else self.text

    def told(self, error: BaseException) -> str:
        """The error, or what was logged where it says no more than that."""
        text = _message(error)
        return self.text[:600] if self.text and "check the logs" in text else text


def _groups(plan: Any) -> list[tuple[int, int]]:
    return [(len(group.layer_names), int(group.kv_cache_spec.block_size)) for group in plan.kv_cache_groups]


def _longest(model: Any) -> int:
    """The longest context the model itself allows; the one in force where no other is told."""
    with contextlib.suppress(Exception):
        return int(model.get_and_verify_max_len(None))
    return int(model.max_model_len)


def _number(call: Any) -> int:
    with contextlib.suppress(Exception):
        return int(call())
    return 0


def _title(backend: Any) -> str:
    with contextlib.suppress(Exception):
        return str(backend.get_name())
    return str(backend.__name__)


def _plain(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return [_plain(one) for one in value]
    return value if isinstance(value, (bool, int, float, type(None))) else _name(value)


def _name(value: Any) -> str:
    return str(getattr(value, "name", value)).replace("torch.", "")


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines or [""])[-1][:400]


def main() -> None:
    """Answer one request."""
    del sys.path[0]  # this file's folder, whose names are none of vLLM's business
    answers = os.fdopen(int(sys.argv[1]), "w", encoding="utf-8")
    requests = os.fdopen(os.dup(0), encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)  # whatever vLLM prints

    def tell(answer: dict[str, Any]) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    stage, complaint = "request", _Complaint()
    try:
        request = json.loads(requests.readline())
        stage = "import"
        pretend(request["gpu"])
        logging.getLogger("vllm").addHandler(complaint)
        stage = "config"
        asked = Asked(request)
        stage = "build"
        tell({"built": asked.built()})
        available = request.get("available_bytes") or json.loads(requests.readline() or "{}").get("available_bytes")
        stage = "plan"
        if available:
            tell({"planned": asked.planned(available)})
    except BaseException as error:  # noqa: BLE001  whatever vLLM raises is its answer
        import traceback

        traceback.print_exc()
        tell(
            {
                "error": f"{type(error).__name__}: {complaint.told(error)}",
                "stage": stage,
                "module": getattr(error, "name", None),
            }
        )
    sys.stderr.flush()
    os._exit(0)  # threads of libraries may not end by themselves


def _message(error: BaseException) -> str:
    """The error in one line: of pydantic's report the reason, else its first words."""
    match = re.search(r"Value error, (.+?)(?: \[type=|\n|$)", str(error))
    text = match[1] if match else " ".join(str(error).split())
    if not text:  # a bare assertion: the line that says it
        import traceback

        text = "".join(str(frame.line) for frame in traceback.extract_tb(error.__traceback__)[-1:])
    return text[:600]


if __name__ == "__main__":
    main()
